import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from likeness.alignment.recipe import RECIPES
from likeness.benchmark.folder import BoardFolder
from likeness.benchmark.suite import Suite
from likeness.benchmark.systems import SYSTEMS
from likeness.benchmark.verification import verify
from likeness.cli.loop.stage import stage_testbed
from likeness.cli.loop.studio import Sampler
from likeness.cli.loop.turn import Turn, TurnConfig, save_report, with_seed
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace

PEOPLE = 3
RECIPE = RECIPES.load(
    "demo_masked_dpo",
    [
        "mining.margin=0.000001",
        "mining.tolerances={}",
        "masked_dpo.steps=3",
        "masked_dpo.save_every=1",
        "masked_dpo.batch=2",
        "masked_dpo.lr=0.001",
    ],
)


class Killed(Exception):
    pass


@contextmanager
def quiet(heading: str) -> Iterator[Progress]:
    yield silent


def killed_at(stage: str, moment: int):
    @contextmanager
    def bars(heading: str) -> Iterator[Progress]:
        def progress(done: int, total: int, note: str) -> None:
            if heading == stage and done >= moment:
                raise Killed

        yield progress

    return bars


@pytest.fixture(scope="module")
def rewards() -> RewardSet:
    return RewardSet.load("testbed")


def turn_in(workspace: Workspace, rewards: RewardSet, **changes) -> Turn:
    config = TurnConfig(
        noises=1,
        mining_samplers=(Sampler(steps=2, reference_guidance=1.0), Sampler(steps=2)),
        sampler=Sampler(steps=2),
        systems=tuple(SYSTEMS),
    )
    values = {
        "workspace": workspace,
        "load": lambda: Generator.load("tiny"),
        "base_path": "tiny",
        "rewards": rewards,
        "recipe": RECIPE,
        "config": config,
        "bars": quiet,
    }
    return Turn(**{**values, **changes})


def staged(workspace: Workspace):
    mining = stage_testbed(workspace, "spare", PEOPLE)
    suite = Suite(name="small", cases=tuple(stage_testbed(workspace, "heldout", PEOPLE)))
    return mining, suite


@pytest.mark.slow
def test_a_turn_makes_a_board_and_a_report_and_resumes(tmp_path, rewards):
    with Workspace.create(tmp_path / "whole") as workspace:
        turn = turn_in(workspace, rewards)
        mining, suite = staged(workspace)
        board, rows = turn.run(mining, suite)
        samples = len(workspace.samples())
        again, _ = turn.run(mining, suite)
        assert again.rows == board.rows
        found = verify(BoardFolder(workspace.path / "boards" / suite.name))
        assert found.agrees and found.cells == len(board.rows) + len(board.differences)
        assert len(workspace.samples()) == samples
        report = turn.report(board, rows, suite, title="Title", setting="On the testbed.")
        page = save_report(report, board, tmp_path / "out").read_text()
    saved = json.loads((tmp_path / "out" / "board.json").read_text())
    assert set(saved) == {"rows", "differences", "manifest"}
    assert {row["system"] for row in saved["rows"]} == set(SYSTEMS)
    assert {"system", "metric", "value", "low", "high", "cases", "missing"} <= set(saved["rows"][0])
    assert {(d["a"], d["b"]) for d in saved["differences"]} == {
        ("aligned", "base"),
        ("shuffled_pairs", "base"),
    }
    assert page.count("<video") >= 4 and "On the testbed." in page
    assert 'src="http' not in page and 'href="http' not in page
    values = {(r.system, r.metric): r.value for r in board.rows}
    assert values["true", "identity_target"] == pytest.approx(1.0, abs=1e-5)
    assert values["copy", "identity_ref"] == pytest.approx(1.0, abs=1e-5)
    assert values["shuffled_audio", "sync_c"] < values["true", "sync_c"]

    stops = (("samples to learn from", 2), ("masked DPO", 2), ("benchmark", 2))
    with Workspace.create(tmp_path / "cut") as workspace:
        mining, suite = staged(workspace)
        for stage, moment in stops:
            with pytest.raises(Killed):
                turn_in(workspace, rewards, bars=killed_at(stage, moment)).run(mining, suite)
        resumed, _ = turn_in(workspace, rewards).run(mining, suite)
    for one, other in zip(board.rows, resumed.rows, strict=True):
        assert (one.system, one.metric) == (other.system, other.metric)
        assert one.value == other.value or math.isnan(one.value)


def test_no_pairs_is_told(tmp_path, rewards):
    strict = replace(RECIPE, mining=replace(RECIPE.mining, margin=1.9))
    with Workspace.create(tmp_path / "w") as workspace:
        mining, suite = staged(workspace)
        with pytest.raises(LikenessError, match="no preference pairs"):
            turn_in(workspace, rewards, recipe=strict).run(mining, suite)


def test_settings():
    with pytest.raises(LikenessError, match=r"turn\.noises"):
        TurnConfig(noises=1, mining_samplers=(Sampler(),))
    assert with_seed(RECIPE, 7).masked_dpo.seed == 7
