"""What befalls a run: a full disk, a damaged shard; what was saved is whole, and it goes on."""

import resource
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from likeness.model import Generator
from likeness.store.atomic import DiskFullError
from likeness.store.progress import silent
from likeness.store.recipes import recipe_table
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.testbed.scene import VOCABULARY
from likeness.training.stages import Stage
from likeness.training.trainer import Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker

STAGE = Stage(steps=4, batch=2, save_every=2, reference_frames=(5,), warmup=0, decay=0)
RECIPE = TrainingRecipe(stages={"one": STAGE, "two": replace(STAGE, steps=2)})


ROOM = 20_000  # bytes of a file; a generator and its state need more


def trained(generator: Generator, source, folder: Path, progress=silent, evaluate=None) -> bool:
    record = Run(
        id="run", kind="training", recipe=recipe_table(RECIPE), seeds=(0,), commit="0",
        dataset_hash="d",
    )  # fmt: skip
    run = RunFolder.open_or_create(folder, record)
    return Trainer(
        generator=generator, source=source, recipe=RECIPE, run=run, evaluate=evaluate
    ).train(progress)


@pytest.mark.parametrize(("at", "kept"), [(3, 2), (4, 4)])
def test_a_full_disk_keeps_the_last_save_and_the_run_goes_on(
    config, codec, talking, tmp_path, at, kept
):
    """The kernel refuses large files: the second save, or all that a stage's end writes."""

    def fresh() -> Generator:
        return Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    folder, generator = tmp_path / "run", fresh()

    def fill(done: int, total: int, note: str) -> None:
        if done == at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, unlimited[1]))

    def judge(made: Generator, step: int) -> dict[str, float]:
        if step == at:
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, unlimited[1]))
        return {}

    source = BatchMaker(talking, generator)
    try:
        with pytest.raises(DiskFullError, match=r"no room on the disk for .*free some space"):
            if at == STAGE.steps:
                trained(generator, source, folder, evaluate=judge)
            else:
                trained(generator, source, folder, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        signal.signal(signal.SIGXFSZ, before)
    run = RunFolder.open(folder)
    assert (run.status.state, run.status.step) == ("failed", kept)
    assert not list(folder.rglob("*.part*"))
    again, whole = fresh(), fresh()
    assert trained(again, BatchMaker(talking, again), folder)
    assert trained(whole, BatchMaker(talking, whole), tmp_path / "whole")
    assert again.hash == whole.hash
