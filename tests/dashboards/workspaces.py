"""Workspaces for the pages: drawn people, samples with made-up scores, a board and a run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likeness.benchmark.board import Board
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.sheets import write_measurements
from likeness.store.clip import Clip
from likeness.store.records import Checkpoint, Condition, Pair, Run, Sample, Score
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import reencode

SAMPLER = {"steps": 4}
REWARDS = ("identity_target", "quality")
CHECKPOINTS = ("base", "run-one-20")


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A workspace and what is in it."""

    path: Path
    samples: tuple[Sample, ...]
    conditions: tuple[Condition, ...]


def fill(path: Path, people: int = 2) -> Filled:
    """Film people, and pretend that two checkpoints made their clips."""
    rng = np.random.default_rng(0)
    with Workspace.create(path) as workspace:
        make_run(workspace)
        workspace.add(
            Checkpoint(id="base", run=None, step=0, path="tiny", hash="b" * 64, preset="tiny"),
            Checkpoint(
                id="run-one-20", run="run-one", step=20, path="a", hash="a" * 64, preset="tiny"
            ),
        )
        samples, conditions = [], []
        for person in cast("heldout", people):
            reference, true = (take_of(person, scene, 1.0).clip for scene in (0, 1))
            condition = _condition(workspace, reference, true)
            conditions.append(condition)
            made = list(_samples(workspace, condition, true))
            samples += made
            workspace.add_scores(_scores(made, rng))
            first, second = made[0], made[-1]
            told = {"winner": {REWARDS[0]: 0.8}, "loser": {REWARDS[0]: 0.6}}
            pair = Pair(
                condition=condition.id,
                winner=second.id,
                loser=first.id,
                margin=0.2,
                source="mined by identity_target",
                scores=told,
            )
            workspace.add(pair)
        make_board(workspace, samples, conditions)
    return Filled(path=path, samples=tuple(samples), conditions=tuple(conditions))


def make_run(workspace: Workspace, name: str = "run-one", steps: int = 20) -> RunFolder:
    """Make a finished run with a metric."""
    run = Run(
        id=name,
        kind="masked_dpo",
        recipe={"algorithm": "masked_dpo", "masked_dpo": {"beta": 500.0}},
        seeds=(0,),
        commit="c" * 40,
        dataset_hash="d" * 64,
        state="finished",
    )
    workspace.add(run)
    folder = RunFolder.create(workspace.path / "runs" / name, run)
    for step in range(1, steps + 1):
        folder.metrics.append({"step": step, "loss": 1 / step, "accuracy": 1 - 1 / (step + 1)})
    folder.mark("finished", step=steps)
    return folder


def make_board(
    workspace: Workspace, samples: list[Sample], conditions: list[Condition]
) -> list[Measurement]:
    """Measure the two checkpoints: the second is better by 0.1 to 0.2."""
    rows = []
    for number, condition in enumerate(conditions):
        clips = {s.checkpoint: s.clip for s in samples if s.condition == condition.id}
        for system, name in (("base", "base"), ("aligned", "run-one-20")):
            gain = 0.1 * (number + 1) * (system == "aligned")
            for metric, value in (("identity_target", 0.6 + gain), ("quality", 3.0)):
                rows.append(
                    Measurement(
                        system=system,
                        case=f"case{number}",
                        identity=f"person{number}",
                        metric=metric,
                        value=value,
                        clip=clips[name],
                    )
                )
    folder = workspace.path / "boards" / "drawn"
    folder.mkdir(parents=True)
    write_measurements(rows, folder / "measurements.parquet")
    manifest = {"suite": {"name": "drawn", "cases": len(conditions)}}
    Board.build(rows, [("aligned", "base")], manifest).save(folder / "board.json")
    return rows


def _condition(workspace: Workspace, reference: Clip, true: Clip) -> Condition:
    target = workspace.put_clip(true)
    height, width = true.frames.shape[1:3]
    background = workspace.put_background(true.frames[0], np.ones((height, width), bool))
    condition = Condition(
        driving=target,
        references=(workspace.put_clip(reference),),
        background=background,
        prompt="a person <script>alert(1)</script> in a red coat",
        target=target,
    )
    workspace.add(condition)
    return condition


def _samples(workspace: Workspace, condition: Condition, true: Clip) -> Iterator[Sample]:
    for place, checkpoint in enumerate(CHECKPOINTS):
        for seed in (0, 1):
            worse = reencode(true, 30 + 4 * place + 2 * seed)
            sample = Sample(
                clip=workspace.put_clip(worse),
                condition=condition.id,
                checkpoint=checkpoint,
                seed=seed,
                sampler=SAMPLER,
            )
            workspace.add(sample)
            yield sample


def _scores(samples: list[Sample], rng: np.random.Generator) -> list[Score]:
    scores = []
    for sample in samples:
        for reward in REWARDS:
            asked = {"clip": sample.clip, "reward": reward, "version": "test-1"}
            if reward == "quality" and sample.seed == 1:
                score = Score.missing(**asked, reason="too dark to tell")
            else:
                score = Score(**asked, value=float(rng.uniform(0.3, 0.9)))
            scores.append(Score.from_dict({**score.to_dict(), "condition": sample.condition}))
    return scores


def damage(path: Path, filled: Filled) -> None:
    """Break a clip's file, lose another's, and spoil a board and a run's metrics."""
    with Workspace.open(path) as workspace:
        workspace.clip_path(filled.samples[0].clip).write_bytes(b"no film")
        workspace.clip_path(filled.samples[1].clip).unlink()
    (path / "boards" / "drawn" / "board.json").write_text("{")
    (path / "runs" / "run-one" / "status.json").write_text("")
    (path / "runs" / "half").mkdir()
    (path / "runs" / "half" / "run.json").write_text(json.dumps({"id": "half"}))
