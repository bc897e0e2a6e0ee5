"""The verb `train`: killed, interrupted, asked for what can't be."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.model import Generator
from likeness.store.runs import RunFolder

STAGES = ("same_scene", "cross_scene")
QUICK = [
    f"stages.{stage}.{setting}"
    for stage in STAGES
    for setting in ("steps=8", "batch=2", "save_every=2", "warmup=1", "decay=2",
                    "reference_frames=[5]")
]  # fmt: skip
STEPS = 16


@pytest.fixture
def takes(talking, tmp_path):
    talking.save(tmp_path / "takes")
    return tmp_path / "takes"


def words(takes: Path, workspace: Path, *others: str) -> list[str]:
    place = ["--data", str(takes), "-w", str(workspace), "--name", "first", "--held-out", "0"]
    return ["train", "tiny_two_stage", *QUICK, *place, *others]


def start(arguments: list[str]) -> subprocess.Popen:
    code = "import sys; from likeness.cli import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_of(workspace: Path) -> int:
    folder = RunFolder(workspace / "runs" / "first")
    rows = folder.metrics.read()
    return int(rows[-1]["step"]) if rows else 0


def wait_for(process: subprocess.Popen, workspace: Path, step: int) -> None:
    deadline = time.monotonic() + 300
    while steps_of(workspace) < step and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_killed_at_five_random_points_equals_uninterrupted(takes, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    first = start(words(takes, whole))
    chance = random.Random()
    for kill in range(5):
        process = start(words(takes, cut))
        step = steps_of(cut) + chance.randrange(1, 4)
        wait_for(process, cut, min(step, STEPS - 1))
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        print(f"kill {kill} after step {steps_of(cut)}")
    last = start(words(takes, cut))
    assert last.wait(timeout=300) == 0, last.stderr and last.stderr.read()
    assert first.wait(timeout=300) == 0
    one, other = (Generator.load(w / "runs" / "first" / "generator") for w in (whole, cut))
    assert one.hash == other.hash
    assert [row["loss"] for row in RunFolder(whole / "runs" / "first").metrics.read()] == [
        row["loss"] for row in RunFolder(cut / "runs" / "first").metrics.read()
    ]


@pytest.mark.slow
def test_interrupted_once_it_saves_and_twice_it_ends(takes, tmp_path, capsys):
    folder = tmp_path / "ws" / "runs" / "first"
    process = start(words(takes, tmp_path / "ws", "stages.same_scene.steps=500"))
    wait_for(process, tmp_path / "ws", 1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    status = RunFolder.open(folder).status
    assert (status.state, status.message) == ("stopped", "on request")
    assert status.step >= 1
    process = start(words(takes, tmp_path / "ws", "stages.same_scene.steps=500"))
    wait_for(process, tmp_path / "ws", status.step + 1)
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert process.wait(timeout=60) in {0, 130}
    assert RunFolder.open(folder).status.state == "stopped"
    assert run(words(takes, tmp_path / "ws", "stages.same_scene.steps=9")) == 2
    assert "steps was 500, now it is 9" in capsys.readouterr().err


@pytest.mark.slow
def test_a_short_training_is_judged_and_entered(takes, tmp_path, capsys):
    settings = [f"stages.{stage}.steps=1" for stage in STAGES]
    asked = words(takes, tmp_path / "ws", *settings)
    asked[asked.index("--held-out") + 1] = "2"
    assert run(asked) == 0
    assert "first: finished; the generator is" in capsys.readouterr().out
    rows = RunFolder(tmp_path / "ws" / "runs" / "first").metrics.read()
    judged = [row for row in rows if "held_out_quality" in row]
    assert [row["step"] for row in judged] == [1, 2]
    shown = list((tmp_path / "ws" / "runs" / "first" / "validation").rglob("step_*/*.mp4"))
    assert len(shown) == 4
    assert run(["runs", "show", "first", "-w", str(tmp_path / "ws")]) == 0
    told = capsys.readouterr().out
    assert "[stages.same_scene]" in told and "first-2" in told
    assert run(asked) == 0  # nothing is left to do


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--data", "nowhere"], "nowhere holds no takes to learn from"),
        (["stages.same_scene.steps=0"], "training.steps must be positive, got 0"),
        (["stages.cross_scene.pairing=both"], "must be one of same, cross"),
        (["--checkpoint", "nowhere"], "no generator checkpoint at nowhere"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(takes, tmp_path, capsys, change, message):
    assert run(words(takes, tmp_path / "ws", *change)) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "ws").exists()
