"""Small clips on disk, good ones and bad ones, and the corpus that is made of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.model import Generator
from likeness.store.crew import Alone
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.scene import VOCABULARY
from likeness.training.corpus.listing import Listed, listed
from likeness.training.corpus.making import Plan, make_corpus
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusSettings

SECONDS = 1.6  # 40 frames: two windows of 25
PEOPLE, SCENES = 2, 2


@pytest.fixture(scope="session")
def films(tmp_path_factory) -> Path:
    """Make a table of two people in two scenes each."""
    folder = tmp_path_factory.mktemp("films")
    rows = ["path,identity,scene,prompt"]
    for person in cast("spare", PEOPLE):
        for scene in range(SCENES):
            take = take_of(person, scene, SECONDS)
            name = f"{person.identity}_{scene}.mp4"
            encode(take.clip, folder / name, lossless=True)
            rows.append(f'{name},{person.identity},scene {scene},"{take.caption}"')
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="session")
def bad_films(films, tmp_path_factory) -> Path:
    """Make a folder of clips that can't be learnt from, and one that can, twice."""
    folder = tmp_path_factory.mktemp("bad")
    (person,) = cast("spare", 1)
    clip = take_of(person, 0, SECONDS).clip
    blank = np.full_like(clip.frames, 90)
    cases = {
        "short": clip.window(0, 20),
        "silent": replace(clip, audio=np.zeros_like(clip.audio)),
        "mute": replace(clip, audio=np.zeros(0, np.float32)),
        "blank": replace(clip, frames=blank),
        "half": replace(clip, frames=np.concatenate([blank[:16], clip.frames[16:]])),
    }
    for name, made in cases.items():
        encode(made, folder / f"{name}.mp4", lossless=True)
    (folder / "broken.mp4").write_bytes(b"no film")
    good = (films / f"{person.identity}_0.mp4").read_bytes()
    for name in ("good", "twin"):
        (folder / f"{name}.mp4").write_bytes(good)
    return folder


@pytest.fixture(scope="session")
def checkpoint(codec, config, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    made = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)
    made.save(folder)
    return folder


@pytest.fixture(scope="session")
def loaded(checkpoint) -> Generator:
    return Generator.load(checkpoint)


@pytest.fixture(scope="session")
def settings(config) -> CorpusSettings:
    return CorpusSettings(frames=config.frames, step=config.frames, shard=1)


@pytest.fixture(scope="session")
def clips(films) -> list[Listed]:
    return listed(films / "clips.csv")


@pytest.fixture(scope="session")
def made(checkpoint, settings, clips, tmp_path_factory) -> Path:
    """Make the corpus of the good films in one process without a break; not to be written to."""
    out = tmp_path_factory.mktemp("made") / "corpus"
    make_corpus(Plan(checkpoint=str(checkpoint), out=out, settings=settings), clips, Alone())
    return out


@pytest.fixture
def corpus(made, loaded) -> Corpus:
    return Corpus.open(made, loaded)
