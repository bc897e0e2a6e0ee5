"""SIGKILL at random moments of `likeness align`: what comes out is what an unharmed run gives.

LIKENESS_KILLS says how many kills each algorithm is given; docs/alignment.md has ten.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from likeness.alignment.recipe import RECIPES
from likeness.cli.loop.alignment import base_checkpoint, mine_pairs
from likeness.cli.loop.judging import Question, judge
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

KILLS = int(os.environ.get("LIKENESS_KILLS", "1"))
ROLLOUTS = [
    *("rollouts.rollouts=3", "rollouts.groups=2", "rollouts.group=2", "rollouts.steps=4"),
    *("rollouts.save_every=1", "rollouts.rewards={ quality = { weight = 1.0 } }"),
]
WORDS = {
    "tiny_masked_dpo": ["masked_dpo.steps=6", "masked_dpo.save_every=2", "masked_dpo.log_every=2"],
    "tiny_online_dpo": ["masked_dpo.steps=2", "masked_dpo.save_every=1", "masked_dpo.log_every=1"],
    "tiny_grpo_identity": [*ROLLOUTS, "grpo.sde_range=3"],
    "tiny_nft": [*ROLLOUTS, "nft.old_decay=0.5"],
}


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    """Make a workspace with a pair for each of two people."""
    folder = tmp_path_factory.mktemp("staged") / "ws"
    generator, judges = Generator.load("tiny"), RewardSet.load("testbed")
    with Workspace.create(folder) as workspace:
        cases = stage_testbed(workspace, "spare", 2)
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
        mine_pairs(workspace, samples, scores, recipe)
    return folder


def begin(workspace: Path, recipe: str) -> "subprocess.Popen[bytes]":
    """Start the run, and come back when it is past its imports."""
    command = workspace / "runs" / "first" / "command.json"
    before = command.stat().st_mtime_ns if command.exists() else 0
    words = ["align", recipe, *WORDS[recipe], "-w", str(workspace), "--name", "first"]
    code = f"from likeness.cli import run; raise SystemExit(run({words!r}))"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    while not command.exists() or command.stat().st_mtime_ns == before:
        assert process.poll() is None, said(process)
        time.sleep(0.02)
    return process


def said(process: "subprocess.Popen[bytes]") -> str:
    return process.communicate()[1].decode()[-3000:]


def outcome(workspace: Path) -> dict[str, bytes]:
    """All weights of a run, and what it measured."""
    run = workspace / "runs" / "first"
    paths = [*run.rglob("step_*.safetensors"), *run.rglob("metrics.jsonl")]
    return {str(path.relative_to(run)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", WORDS)
def test_killed_and_resumed_equals_unharmed(recipe, staged, tmp_path):
    whole = Path(shutil.copytree(staged, tmp_path / "whole"))
    process = begin(whole, recipe)
    since = time.monotonic()
    told = said(process)
    span = time.monotonic() - since
    assert process.returncode == 0, told
    expected = outcome(whole)
    assert len(expected) > 2
    chance, killed, runs = random.Random(), 0, 0
    while killed < KILLS:
        workspace = Path(shutil.copytree(staged, tmp_path / f"harmed{runs}"))
        runs += 1
        finished = False
        while not finished:
            process = begin(workspace, recipe)
            if killed < KILLS:
                moment = chance.uniform(0, span)
                try:
                    process.wait(moment)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    killed += 1
                    step = status_of(workspace)
                    print(f"{recipe}: killed {moment:.2f} s of {span:.2f} s in; saved step {step}")
                    continue
            told = said(process)
            assert process.returncode == 0, told
            finished = True
        assert outcome(workspace) == expected
    print(f"{recipe}: {killed} kills of {runs} runs, all with the same bytes")


def status_of(workspace: Path) -> int | None:
    """Step of the last save; None before there is a run."""
    folder = workspace / "runs" / "first"
    if not (folder / "run.json").is_file():
        return None
    status = RunFolder.open(folder).status
    assert status.state in ("queued", "lost", "finished"), status
    return json.loads((folder / "status.json").read_text())["step"]
