"""The verbs `align`, `align doctor` and `runs` on a workspace of two people."""

import json
import re
import shutil
from pathlib import Path

import pytest

from likeness.alignment.recipe import RECIPES
from likeness.cli import run
from likeness.cli.loop.algorithms import ALGORITHMS, launcher
from likeness.cli.loop.alignment import base_checkpoint, mine_pairs
from likeness.cli.loop.judging import Question, judge
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.records import Sample
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

PEOPLE = 2
FEW = ["masked_dpo.steps=2", "masked_dpo.save_every=1", "masked_dpo.log_every=1"]


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    """Make a workspace with a pair for each of two people."""
    folder = tmp_path_factory.mktemp("staged") / "ws"
    generator, judges = Generator.load("tiny"), RewardSet.load("testbed")
    with Workspace.create(folder) as workspace:
        cases = stage_testbed(workspace, "spare", PEOPLE)
        base = base_checkpoint(workspace, generator, "tiny").id
        studio = Studio(workspace, generator, base, judges.faces)
        orders = [Order(condition=condition_of(c), seed=s) for c in cases for s in (0, 1)]
        samples = studio.make(orders, Sampler(steps=2))
        questions = [
            Question(clip=s.clip, condition=o.condition)
            for s, o in zip(samples, orders, strict=True)
        ]
        scores = [row for rows in judge(workspace, questions, judges).values() for row in rows]
        recipe = RECIPES.load("tiny_masked_dpo", ["mining.margin=1e-9"])
        assert len(mine_pairs(workspace, samples, scores, recipe).pairs) == PEOPLE
    return folder


@pytest.fixture
def workspace(staged, tmp_path) -> Path:
    return Path(shutil.copytree(staged, tmp_path / "ws"))


def align(workspace: Path, recipe: str, *words: str) -> int:
    return run(["align", recipe, *words, "-w", str(workspace), "--name", "first"])


def test_every_algorithm_has_somebody_who_carries_it_out():
    assert {RECIPES.load(name).algorithm for name in RECIPES.names()} == set(ALGORITHMS)
    assert all(callable(launcher(name)) for name in ALGORITHMS)


@pytest.mark.parametrize("recipe", ["tiny_masked_dpo", "tiny_dpo"])
def test_a_tiny_recipe_runs_and_is_entered(workspace, recipe, capsys):
    assert align(workspace, recipe, *FEW) == 0
    assert "first: step 2, finished" in capsys.readouterr().out
    folder = RunFolder.open(workspace / "runs" / "first")
    assert folder.command[:3] == ["align", recipe, FEW[0]]
    with Workspace.open(workspace) as opened:
        assert [c.id for c in opened.checkpoints(run="first")] == ["first-2"]
        assert [r.state for r in opened.runs()] == ["finished"]
    shutil.rmtree(folder.path / "checkpoints")
    assert run(["runs", "resume", "first", "-w", str(workspace)]) == 2
    assert "first is finished" in capsys.readouterr().err


def test_rounds_stopped_and_resumed_end_as_if_they_had_not_been(workspace, tmp_path, capsys):
    whole = Path(shutil.copytree(workspace, tmp_path / "whole"))
    assert align(whole, "tiny_online_dpo", *FEW) == 0
    chosen = RECIPES.load("tiny_online_dpo", FEW)
    judges = RewardSet.load("testbed")
    folder = RunFolder(workspace / "runs" / "first")

    def stop(done: int, total: int, note: str) -> None:
        if note.startswith("masked DPO") and done == 3:
            folder.request_stop()

    with Workspace.open(workspace) as opened:
        generator = Generator.load("tiny")
        base = base_checkpoint(opened, generator, "tiny").id
        studio = Studio(opened, generator, base, judges.faces)
        outcome = launcher("online_dpo")(studio, judges, chosen, "first", stop)
    assert (outcome.step, outcome.finished, folder.status.state) == (3, False, "stopped")
    assert align(workspace, "tiny_online_dpo", *FEW) == 0
    assert "first: step 4, finished" in capsys.readouterr().out
    last = "rounds/01/checkpoints/step_000002.safetensors"
    other = RunFolder(whole / "runs" / "first")
    assert (folder.path / last).read_bytes() == (other.path / last).read_bytes()
    assert folder.metrics.read() == other.metrics.read()
    assert [row["round"] for row in folder.metrics.read()] == [0, 1]
    with Workspace.open(workspace) as opened:
        assert [c.id for c in opened.checkpoints(run="first")] == ["first-2", "first-4"]
        drawn = {sample.checkpoint for sample in opened.samples()}
    assert "first-2" in drawn  # the second round was drawn by what the first had learnt


def test_the_true_clip_can_be_the_winner(workspace):
    words = ["pairs.winner=real", "masked_dpo.steps=1"]
    assert align(workspace, "tiny_masked_dpo", *words) == 0


def test_the_doctor_looks_before_anybody_pays(workspace, capsys):
    where = ["-w", str(workspace)]
    words = ["align", "doctor", "tiny_masked_dpo", *where, "--steps", "3", "--json"]
    code = run(words)
    checks = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert code == (0 if all(row["good"] for row in checks.values()) else 1)
    assert checks["loss before a step"]["good"]
    assert re.match(r"loss 0\.693147, 0\.693147 expected", checks["loss before a step"]["told"])
    assert checks["one batch by heart"]["good"]


def test_help_shows_how_to_align_and_the_doctor(capsys):
    assert run(["align", "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: likeness align [OPTIONS] {recipe}" in told
    assert "--name" in told
    assert re.search(r"^  doctor ", told, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mining.reward=identity_targt"], "no reward identity_targt; did you mean identity_ta"),
        (["masked_dpo.bta=1"], "unknown key alignment.masked_dpo.bta; did you mean beta?"),
        (["pairs.source=votes"], "no preference pairs to train on (none were given)"),
    ],
)
def test_bad_words_are_one_line(workspace, words, message, capsys):
    assert align(workspace, "tiny_masked_dpo", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert message in line


def test_pairs_whose_clips_are_gone_are_counted_or_the_reason(workspace, capsys):
    with Workspace.open(workspace) as opened:
        pairs = opened.pairs()
        gone = [opened.get(Sample, pair.winner).latents for pair in pairs]
    for path in workspace.rglob(f"{gone[0]}*"):
        path.unlink()
    assert align(workspace, "tiny_masked_dpo", "masked_dpo.steps=1") == 0
    assert "1 pairs dropped for clips that are gone" in capsys.readouterr().out
    for path in workspace.rglob(f"{gone[1]}*"):
        path.unlink()
    words = ["align", "tiny_masked_dpo", "-w", str(workspace), "--name", "second"]
    assert run(words) == 2
    assert "all 2 pairs have lost their clips" in capsys.readouterr().err
