"""A stage is judged once, wherever its run was killed."""

from dataclasses import replace
from pathlib import Path

import pytest

from likeness.model import Generator
from likeness.store.recipes import recipe_table
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.testbed.scene import VOCABULARY
from likeness.training.learner import Learner
from likeness.training.stages import Stage
from likeness.training.trainer import Trainer, TrainingRecipe
from likeness.training.windows import BatchMaker

QUICK = Stage(steps=1, batch=2, save_every=1, reference_frames=(5,), warmup=0, decay=0)
TWO = TrainingRecipe(stages={"first": QUICK, "second": replace(QUICK, pairing="same")})


class Killed(BaseException):
    """Nothing in between catches it, as a kill."""


@pytest.mark.parametrize("moment", ["judging", "generator", "average"])
def test_a_killed_judgement_is_written_once(config, codec, talking, tmp_path, monkeypatch, moment):
    """Killed within the judgement, after its row, and before the stage counts as done."""
    asked: list[int] = []
    alive = {"judging": True, "generator": True, "average": True}

    def die(at: str) -> None:
        if at == moment and alive[at]:
            alive[at] = False
            raise Killed

    def judge(generator: Generator, step: int) -> dict[str, float]:
        die("judging")
        asked.append(step)
        return {"held_out_identity": 0.5}

    save, save_average = Generator.save, Learner.save_average

    def save_generator(self: Generator, folder: Path) -> None:
        die("generator")
        save(self, folder)

    def save_the_average(self: Learner, path: Path) -> None:
        die("average")
        save_average(self, path)

    monkeypatch.setattr(Generator, "save", save_generator)
    monkeypatch.setattr(Learner, "save_average", save_the_average)

    def go() -> bool:
        made = Generator.draw(config, vocabulary=list(VOCABULARY), seed=0, codec=codec)
        record = Run(
            id="run",
            kind="training",
            recipe=recipe_table(TWO),
            seeds=(0,),
            commit="0",
            dataset_hash="d",
        )
        run = RunFolder.open_or_create(tmp_path / "run", record)
        source = BatchMaker(talking, made)
        return Trainer(generator=made, source=source, recipe=TWO, run=run, evaluate=judge).train()

    with pytest.raises(Killed):
        go()
    assert go()
    rows = RunFolder.open(tmp_path / "run").metrics.read()
    assert [row["step"] for row in rows] == [1, 1, 2, 2]
    assert [row["step"] for row in rows if "held_out_identity" in row] == [1, 2]
    assert asked == [1, 2]
