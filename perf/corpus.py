"""Milliseconds of a training batch: encoded on the fly from arrays, and read from a corpus."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from likeness.cli.loop.reels import talking_set
from likeness.model import Generator
from likeness.store.crew import Alone
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.film import film
from likeness.training.batch import RegionWeights, Wish
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.making import Plan, make_corpus
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusSettings
from likeness.training.windows import BatchMaker

PEOPLE, SCENES, SECONDS = 4, 2, 2.0
BATCHES = (4, 16)
ROUNDS = 10


def write(folder: Path) -> list[Listed]:
    """Film people into files."""
    clips = []
    for person in cast("spare", PEOPLE):
        for scene in range(SCENES):
            take = take_of(person, scene, SECONDS)
            path = folder / f"{person.identity}_{scene}.mp4"
            encode(take.clip, path)
            clips.append(
                Listed(name=path.name, path=path, prompt=take.caption, identity=person.identity)
            )
    return clips


def timed(work: Callable[[np.random.Generator], object]) -> tuple[float, float]:
    """Milliseconds of a batch, middle of some rounds of other draws: by the wall, of processor."""
    times = []
    for number in range(ROUNDS + 1):
        rng = np.random.default_rng(number)
        start = time.perf_counter(), time.process_time()
        work(rng)
        times.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    wall, processor = np.median(times[1:], axis=0)  # the first opens files
    return 1e3 * float(wall), 1e3 * float(processor)


def main() -> None:
    generator = Generator.load("tiny")
    frames, regions = generator.config.frames, RegionWeights()
    reel = film(cast("spare", PEOPLE), SCENES, SECONDS, workers=1)
    maker = BatchMaker(talking_set(reel), generator)
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        clips = write(Path(folder))
        out = Path(folder) / "corpus"
        settings = CorpusSettings(frames=frames, step=frames)
        start = time.perf_counter()
        card = make_corpus(Plan(checkpoint="tiny", out=out, settings=settings), clips, Alone())
        spent = time.perf_counter() - start
        size = sum(p.stat().st_size for p in out.rglob("*.safetensors")) / card.windows
        print(
            f"made: {spent:.1f} s for {card.footage:.0f} s of film, loading included; "
            f"{size / 1e3:.0f} kB a window"
        )
        corpus = Corpus.open(out, generator)
        for batch in BATCHES:
            wish = Wish(batch=batch, pairing="cross", reference_frames=17)
            fresh = timed(lambda rng, w=wish: maker.make(maker.draw(rng, w), regions))
            read = timed(lambda rng, w=wish: corpus.make(corpus.draw(rng, w), regions))
            for name, (wall, processor) in (("on the fly", fresh), ("from a corpus", read)):
                print(
                    f"batch of {batch:2d}, {name:13}  {wall:7.1f} ms  "
                    f"{processor:7.1f} ms of processor"
                )


if __name__ == "__main__":
    main()
