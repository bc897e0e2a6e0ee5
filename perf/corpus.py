"""A training batch and a step: encoded on the fly from arrays or from films, or read from a corpus.

Batches by milliseconds; steps by seconds, and by the share that is spent on waiting for data while
the next batch is made beside the step. From films each row is read, its faces found, framed and
encoded anew, as the corpus was made.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from likeness.cli.loop.reels import talking_set
from likeness.model import Generator
from likeness.store.media import encode
from likeness.testbed.cast import cast, take_of
from likeness.testbed.film import film
from likeness.training.batch import Batch, RegionWeights, Source, Wish
from likeness.training.corpus.drawing import Draw
from likeness.training.corpus.footage import UnfitError
from likeness.training.corpus.index import read_index
from likeness.training.corpus.listing import Listed
from likeness.training.corpus.making import ClipMaker, Plan, make_corpus
from likeness.training.corpus.reading import Corpus
from likeness.training.corpus.settings import CorpusSettings
from likeness.training.corpus.workers import Alone
from likeness.training.learner import Learner
from likeness.training.stages import Stage
from likeness.training.windows import BatchMaker

if TYPE_CHECKING:
    import pandas as pd

PEOPLE, SCENES, SECONDS = 4, 2, 2.0
BATCHES = (4, 16)
ROUNDS = 10
STEPS = 4


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


class Films:
    """A corpus whose windows are made anew from their films whenever they are asked for."""

    def __init__(self, corpus: Corpus, plan: Plan, clips: list[Listed]) -> None:
        self.corpus = corpus
        self.maker = ClipMaker(plan)
        self.clips = {clip.name: clip for clip in clips}
        self.index = read_index(plan.out)
        self.hash, self.identities = corpus.hash, corpus.identities

    def shaped(self, frames: int | None, size: int | None) -> "Films":
        """Give itself, as a corpus does."""
        self.corpus.shaped(frames, size)
        return self

    def draw(self, rng: np.random.Generator, wish: Wish) -> Draw:
        """Choose windows."""
        return self.corpus.draw(rng, wish)

    def make(self, draw: Draw, regions: RegionWeights, rows: slice) -> Batch:
        """Encode target and reference of each row from its film, then give what shards hold."""
        asked = draw.rows(rows)
        for row in (*asked.target.tolist(), *asked.reference.tolist()):
            self._encode(self.index.iloc[row])
        return self.corpus.make(draw, regions, rows)

    def _encode(self, row: "pd.Series") -> None:
        clip, encoders = self.clips[row["name"]], self.maker.encoders
        footage = self.maker._study(clip)
        take = list(self.maker._takes(footage))[row["take"]]
        assert not isinstance(take, UnfitError)
        encoders.shared(take, clip.prompt)
        starts, frames = [int(row["start"]) - take.start], self.corpus.frames
        encoders.windows(take, footage, encoders.hear(footage), starts, frames)
        encoders.movement(take, footage)


def steps(generator: Generator, source: Source) -> tuple[float, float, float]:
    """Seconds a step by the wall and of processor, and the share of waiting; the middle of some."""
    stage = Stage(steps=STEPS + 1, batch=4, reference_frames=(17,), continued=0.0)
    learner = Learner(generator, source, stage)
    learner.update()  # the first batch isn't made beside anything
    rows, processor = [], []
    for _ in range(STEPS):
        start = time.process_time()
        rows.append(learner.update())
        processor.append(time.process_time() - start)
    seconds, waiting = (float(np.median([row[n] for row in rows])) for n in ("seconds", "waiting"))
    return seconds, float(np.median(processor)), waiting


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
        plan = Plan(checkpoint="tiny", out=out, settings=settings)
        card = make_corpus(plan, clips, Alone())
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
        torch.set_grad_enabled(True)
        for name, source in (("films", Films(corpus, plan, clips)), ("a corpus", corpus)):
            wall, processor, waiting = steps(Generator.load("tiny"), source)
            print(
                f"step of 4 rows, from {name:8}  {wall:6.2f} s  {processor:6.2f} s of processor, "
                f"waiting {100 * waiting:4.1f} %"
            )


if __name__ == "__main__":
    main()
