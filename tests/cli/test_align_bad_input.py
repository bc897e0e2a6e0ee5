"""What `likeness align` says of input that can't be: one line on stderr and exit code 2."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.alignment.adapter import write_tensors
from likeness.cli import run
from likeness.cli.loop.alignment import base_checkpoint
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.cli.loop.studio import Order, Sampler, Studio
from likeness.model import Generator
from likeness.rewards.sets import RewardSet
from likeness.store.records import Pair, Sample
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

REFUSED, INTERRUPTED = 2, 130
FEW = ["masked_dpo.steps=2", "masked_dpo.save_every=1", "masked_dpo.log_every=1"]
ROLLOUT = ["rollouts.groups=2", "rollouts.group=2", "rollouts.steps=2", "rollouts.rollouts=1"]
SHORT = [*ROLLOUT, "grpo.sde_steps=1", "grpo.sde_range=1"]


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Path:
    """Make a workspace of pairs that can't be learnt from, each kind under a source of its own."""
    folder = tmp_path_factory.mktemp("staged") / "ws"
    generator, judges = Generator.load("tiny"), RewardSet.load("testbed")
    with Workspace.create(folder) as workspace:
        cases = stage_testbed(workspace, "spare", 1)
        condition = replace(condition_of(cases[0]), prompt="")
        base = base_checkpoint(workspace, generator, "tiny").id
        studio = Studio(workspace, generator, base, judges.faces)
        workspace.add(condition)
        orders = [Order(condition=condition, seed=seed) for seed in (0, 1)]
        winner, loser = studio.make(orders, Sampler(steps=1))
        pair = Pair(
            condition=condition.id, winner=winner.id, loser=loser.id, margin=0.1, source="one"
        )
        bare = replace(
            condition,
            background=workspace.put_background(
                workspace.get_background(condition.background)[0], np.zeros((64, 64), bool)
            ),
        )
        workspace.add(bare)
        array = workspace.get_array(winner.latents or "")
        shorter = workspace.put_array(array[:, 1:], clip=winner.clip)
        narrower = workspace.put_array(array[..., 1:], clip=winner.clip)

        def again(sample: Sample, seed: int, **changes: str) -> str:
            made = replace(sample, seed=seed, **changes)
            workspace.add(made)
            return made.id

        unseen = again(winner, 2, condition=bare.id), again(loser, 3, condition=bare.id)
        workspace.add(
            pair,
            replace(pair, condition=bare.id, winner=unseen[0], loser=unseen[1], source="unmasked"),
            replace(pair, loser=again(loser, 4, latents=shorter), source="unequal"),
            replace(
                pair,
                winner=again(winner, 5, latents=narrower),
                loser=again(loser, 6, latents=narrower),
                source="foreign",
            ),
        )
    write_tensors(folder / "other.safetensors", {}, {"base": "0" * 64, "rank": 16, "alpha": 16.0})
    return folder


@pytest.fixture
def workspace(staged, tmp_path) -> Path:
    return Path(shutil.copytree(staged, tmp_path / "ws"))


def align(workspace: Path, recipe: str, *words: str) -> int:
    return run(["align", recipe, *words, "-w", str(workspace), "--name", "first"])


def test_one_pair_is_enough(workspace):
    assert align(workspace, "tiny_dpo", *FEW, "pairs.source=one") == 0


TABLE = {
    "no pairs": ("tiny_dpo", ["pairs.source=votes"], "no preference pairs to train on (none were"),
    "masks all empty": (
        "tiny_masked_dpo",
        ["pairs.source=unmasked"],
        "no preference pairs to train on (1 for an empty mask)",
    ),
    "sides of two shapes": ("tiny_dpo", ["pairs.source=unequal"], "differ in shape"),
    "samples of another preset": (
        "tiny_dpo",
        ["pairs.source=foreign"],
        "another preset drew it; give that as --checkpoint",
    ),
    "an adapter of another checkpoint": (
        "tiny_dpo",
        ["pairs.source=one", "masked_dpo.adapter={workspace}/other.safetensors"],
        "load the checkpoint that its run started from",
    ),
    "an adapter of another rank": (
        "tiny_dpo",
        [
            *("pairs.source=one", "masked_dpo.lora_rank=4"),
            "masked_dpo.adapter={workspace}/other.safetensors",
        ],
        "alignment.masked_dpo.lora_rank is 4, and the adapter",
    ),
    "a reward that is NaN everywhere": (
        "tiny_grpo_identity",
        [*SHORT, "rollouts.rewards={ text = {} }"],
        "4 samples: text: the prompt holds no word that the model knows",
    ),
    "a group of 1": (
        "tiny_grpo_identity",
        ["rollouts.group=1"],
        "alignment.rollouts.group must be 2 or more, got 1",
    ),
    "an unknown reward": (
        "tiny_nft",
        ["rollouts.rewards={ qualty = {} }"],
        "no such reward; did you mean quality?",
    ),
    "an unknown reward to mine by": (
        "tiny_online_dpo",
        ["mining.reward=identity_targt"],
        "did you mean identity_target?",
    ),
    "an unknown key": ("tiny_nft", ["nft.bta=1"], "unknown key alignment.nft.bta; did you mean be"),
    "an unknown recipe": ("tiny_nftt", [], "no recipe tiny_nftt; did you mean tiny_nft?"),
    "a tracker that is not there": (
        "tiny_dpo",
        ['trackers=["tensorbord"]'],
        "alignment.trackers must be one of tensorboard, wandb, trackio",
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_it_is_said_in_a_line_what_is_wrong(name, workspace, capsys):
    recipe, words, message = TABLE[name]
    placed = [word.replace("{workspace}", str(workspace)) for word in words]
    assert align(workspace, recipe, *placed) == REFUSED
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("likeness: ") and message in line


def test_a_full_disk_keeps_the_last_checkpoint(workspace, capsys, monkeypatch):
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    told = RunFolder.mark

    def fill(self: RunFolder, state, *, step=None, message="") -> None:
        told(self, state, step=step, message=message)
        if step == 1:  # from here on the kernel refuses files as large as a checkpoint
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))

    monkeypatch.setattr(RunFolder, "mark", fill)
    try:
        code = align(workspace, "tiny_dpo", *FEW, "pairs.source=one")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert code == REFUSED
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert "no room on the disk for" in line and "step_000002" in line
    status = RunFolder.open(workspace / "runs" / "first").status
    assert (status.state, status.step) == ("failed", 1)
    monkeypatch.undo()
    assert align(workspace, "tiny_dpo", *FEW, "pairs.source=one") == 0


@pytest.mark.slow
def test_the_second_interruption_ends_it_at_once(workspace):
    words = ["align", "tiny_dpo", "masked_dpo.steps=100000", "pairs.source=one"]
    words += ["-w", str(workspace), "--name", "first"]
    code = f"from likeness.cli import run; raise SystemExit(run({words!r}))"
    folder = workspace / "runs" / "first"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not (folder / "metrics.jsonl").is_file():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGSTOP)  # so that both come within one step
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGCONT)
        while not (folder / "stop").exists() and process.poll() is None:
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=120)[1]
    assert process.returncode in (0, INTERRUPTED), told
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "stopped"
    assert status["message"] in ("on request", "interrupted")
    if process.returncode == INTERRUPTED:
        assert "interrupted; finished work is kept" in told.splitlines()[-1]
