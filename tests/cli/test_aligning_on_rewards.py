"""GRPO and NFT on the tiny preset in a workspace of drawn people."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.alignment.adapter import load_adapter
from likeness.alignment.grpo.judging import AskedError
from likeness.alignment.recipe import RECIPES
from likeness.benchmark.suite import Suite
from likeness.cli import run
from likeness.cli.loop.alignment import base_checkpoint, people_of
from likeness.cli.loop.learnable import conditions_to_learn
from likeness.cli.loop.rollouts import align_on_rewards
from likeness.cli.loop.stage import stage_testbed
from likeness.cli.loop.studio import Studio
from likeness.cli.loop.watching import Judges, Watch, encoded, key_of
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.errors import LikenessError
from likeness.store.records import Checkpoint, Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

SHORT = [
    "rollouts.rollouts=2",
    "rollouts.groups=2",
    "rollouts.group=2",
    "rollouts.steps=4",
    "rollouts.save_every=1",
    "rollouts.rewards={ quality = { weight = 1.0 } }",
    "grpo.sde_range=3",
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Iterator[Workspace]:
    with Workspace.create(tmp_path_factory.mktemp("made") / "workspace") as opened:
        stage_testbed(opened, "spare", 4)
        held_out = stage_testbed(opened, "heldout", 1)
        suite = Suite(name="testbed-cross-scene", cases=tuple(held_out))
        suite.freeze(opened.path / "boards" / suite.name / "suite.json")
        yield opened


def studio_of(workspace: Workspace, rewards: RewardSet) -> Studio:
    generator = Generator.load("tiny")
    base = base_checkpoint(workspace, generator, "tiny").id
    return Studio(workspace, generator, base, rewards.faces)


@pytest.mark.slow
def test_people_of_a_suite_are_not_learnt_on(workspace):
    learnt_on = conditions_to_learn(workspace)
    assert len(learnt_on) == 4
    assert len({key_of(condition) for condition in learnt_on}) == 4


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["grpo", "nft"])
def test_a_recipe_runs_from_the_command_and_its_adapter_loads(workspace, algorithm):
    name = {"grpo": "tiny_grpo_identity", "nft": "tiny_nft"}[algorithm]
    words = ["align", name, *SHORT, "-w", str(workspace.path), "--name", algorithm]
    assert run(words) == 0
    folder = RunFolder.open(workspace.path / "runs" / algorithm)
    assert folder.status.state == "finished"
    rows = folder.metrics.read()
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["grad_norm"] > 0 for row in rows)
    (record,) = workspace.find(Run, id=algorithm)
    assert (record.kind, record.state) == (algorithm, "finished")
    assert len(record.identities) == 4
    checkpoint = workspace.get(Checkpoint, f"{algorithm}-2")
    assert load_adapter(Generator.load("tiny"), workspace.path / checkpoint.path) == 2
    saved = {path.name: path.read_bytes() for path in (folder.path / "checkpoints").iterdir()}
    assert run(words) == 0  # a finished run is left as it is
    for path in (folder.path / "checkpoints").iterdir():
        assert path.read_bytes() == saved[path.name]


@pytest.mark.slow
def test_an_unknown_reward_offers_the_nearest(workspace):
    rewards = RewardSet.load("testbed")
    recipe = RECIPES.load("tiny_nft", [*SHORT, "rollouts.rewards={ qualty = {} }"])
    with pytest.raises(AskedError, match="did you mean quality"):
        align_on_rewards(studio_of(workspace, rewards), rewards, recipe, "unknown")


@pytest.mark.slow
def test_the_watch_rings_where_a_reward_rises_and_a_wire_trips(workspace, tmp_path):
    rewards = RewardSet.load("testbed")
    studio, conditions = studio_of(workspace, rewards), conditions_to_learn(workspace)
    judges = Judges.of(studio, rewards, ["quality"], conditions)
    watch = Watch.of(judges, rewards, encoded(studio, conditions), tmp_path)
    assert watch is not None
    assert Watch.of(judges, rewards, watch.asked[:3], tmp_path) is None  # too few to compare
    studio.generator.add_lora(rank=2, alpha=2.0, seed=0)
    measured = watch(1)
    assert {"held_out_quality", "held_out_wire_faces"} <= set(measured)
    clips = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.mp4"))
    assert [str(path) for path in clips[:4]] == [
        f"validation/step_000000/{number}.mp4" for number in range(4)
    ]
    assert len(clips) == 8
    kept = json.loads((tmp_path / "validation" / "step_000001" / "scores.json").read_text())
    assert {row["person"] for row in kept} == set(
        people_of(workspace, [key_of(c).reference for c in conditions])
    )
    assert "wire_faces" in {score["reward"] for score in kept[0]["scores"]}
    first, second = watch.history["quality"]
    assert np.array_equal(first.values, second.values)  # a fresh adapter is the base
    assert watch.tripwire(1, measured) is None
    watch.history["quality"][1] = replace(second, values=first.values + 1)
    watch.history["wire_faces"] = [replace(row, values=np.ones(4)) for row in (first, second)]
    assert watch.tripwire(1, measured) is None
    watch.history["wire_faces"][1] = replace(second, values=np.zeros(4))
    said = watch.tripwire(1, measured)
    assert said is not None and "quality rose" in said and "wire_faces is outside" in said


def test_a_workspace_without_conditions_says_so(tmp_path: Path):
    with Workspace.create(tmp_path / "empty") as opened:
        rewards = RewardSet.load("testbed")
        recipe = RECIPES.load("tiny_nft")
        with pytest.raises(LikenessError, match="no conditions to draw samples of"):
            align_on_rewards(studio_of(opened, rewards), rewards, recipe, "none")
