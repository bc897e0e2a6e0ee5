from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from postgres import PostgresServer, start_postgres

from likeness.cli.loop.reels import talking_set
from likeness.model import Generator, GeneratorConfig, Request
from likeness.model.config import TINY
from likeness.model.encoders.codec import CodecConfig, TinyCodec
from likeness.store.clip import Clip
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast
from likeness.testbed.film import film
from likeness.testbed.scene import VOCABULARY
from likeness.training.codec_fitting import CodecTraining, fit_components
from likeness.training.talking_set import TalkingSet

SMALL = replace(
    TINY,
    reference_frames=9,
    transformer={
        **TINY.transformer,
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 8,
        "out_channels": 8,
        "ffn_dim": 32,
        "num_layers": 2,
    },
)


@pytest.fixture(scope="session")
def talking() -> TalkingSet:
    return talking_set(film(cast("spare", 3), 2, 1.2, workers=1))


@pytest.fixture(scope="session")
def codec(talking: TalkingSet) -> TinyCodec:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        codec = TinyCodec(CodecConfig(channels=8, width=8, depth=1))
    fit_components(codec, talking, CodecTraining(windows=6))
    return codec.requires_grad_(False)


@pytest.fixture(scope="session")
def config() -> GeneratorConfig:
    return SMALL


@pytest.fixture
def generator(codec: TinyCodec) -> Generator:
    """A small generator whose every weight is random, so that every path shows."""
    made = Generator.draw(SMALL, vocabulary=list(VOCABULARY), seed=0, codec=codec)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in made.transformer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=chance) * 0.05)
    return made


@pytest.fixture
def request_of(talking: TalkingSet):
    def make(person: int = 0, **changes) -> Request:
        reference = Clip(
            frames=np.asarray(talking.frames[person, 0]),
            fps=25.0,
            audio=np.asarray(talking.audio[person, 0]),
            sample_rate=16_000,
            origin="testbed",
        )
        values = {
            "driving": np.asarray(talking.audio[person, 1]),
            "reference": reference,
            "reference_boxes": np.asarray(talking.boxes[person, 0]),
            "background": np.asarray(talking.backgrounds[person, 1]),
            "hidden": np.asarray(talking.hidden[person, 1]),
            "prompt": talking.captions[person * 2 + 1],
        }
        return Request(**{**values, **changes})

    return make


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "workspace") as made:
        yield made


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    yield from start_postgres()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_workspace(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workspace]:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").new_database()
    with Workspace.create(tmp_path / "workspace", url) as made:
        yield made
