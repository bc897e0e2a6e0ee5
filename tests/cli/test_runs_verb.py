"""`runs watch`, `stop`, `resume` and `compare`, on runs of processes that are real."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from likeness.cli import run
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

WORKER = """
import sys, time
from pathlib import Path
from likeness.store.runs import RunFolder
folder, deaf = RunFolder.open(Path(sys.argv[1])), sys.argv[2] == "deaf"
with folder.running():
    folder.mark("running", step=3)
    print("up", flush=True)
    while deaf or not folder.stop_requested:
        time.sleep(0.02)
    folder.mark("stopped", step=4, message="on request")
"""


def make(workspace: Path, name: str, **masked_dpo: float) -> RunFolder:
    record = Run(
        id=name,
        kind="masked_dpo",
        recipe={"algorithm": "masked_dpo", "masked_dpo": {"steps": 4} | masked_dpo},
        seeds=(7,),
        commit="abc",
        dataset_hash="def",
    )
    with Workspace.open(workspace) as opened:
        opened.add(record)
    return RunFolder.create(workspace / "runs" / name, record)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    Workspace.create(tmp_path).close()
    return tmp_path


def started(folder: RunFolder, how: str) -> subprocess.Popen:
    command = [sys.executable, "-c", WORKER, str(folder.path), how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_a_run_that_listens_is_awaited(workspace, capsys):
    folder = make(workspace, "first")
    with started(folder, "listening") as process:
        assert folder.holder == process.pid
        assert run(["runs", "stop", "first", "-w", str(workspace), "--wait", "60"]) == 0
    assert "first: stopped at step 4" in capsys.readouterr().out
    assert process.returncode == 0


def test_a_run_that_is_deaf_is_killed(workspace, capsys):
    folder = make(workspace, "first")
    with started(folder, "deaf") as process:
        assert run(["runs", "stop", "first", "-w", str(workspace), "--wait", "0.3"]) == 0
    assert process.returncode == -signal.SIGKILL
    status = folder.status
    assert (status.state, status.step) == ("stopped", 3)
    assert status.message == "killed after 0.3 s without an answer"
    assert status.message in capsys.readouterr().out


def test_a_run_does_not_kill_itself(workspace, capsys):
    folder = make(workspace, "first")
    with folder.running():
        assert run(["runs", "stop", "first", "-w", str(workspace), "--wait", "0.1"]) == 0
        assert folder.status.state == "stopping"
    assert "can be killed here" in capsys.readouterr().out


def test_watching_tells_what_comes_until_the_end(workspace, capsys):
    folder = make(workspace, "first")
    for step in (1, 2, 3):
        folder.metrics.append({"step": step, "loss": step / 10})

    def train() -> None:
        with folder.running():
            time.sleep(0.5)
            folder.metrics.append({"step": 4, "loss": 0.4})
            folder.mark("finished", step=4)

    thread = threading.Thread(target=train)
    thread.start()
    words = ["runs", "watch", "first", "-w", str(workspace), "--every", "0.05", "--lines", "2"]
    assert run(words) == 0
    thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("step")] == [
        "step      2  loss 0.2",
        "step      3  loss 0.3",
        "step      4  loss 0.4",
    ]
    assert lines[-1] == "first: finished"


def test_resuming_runs_the_words_that_started_it(workspace, capsys):
    folder = make(workspace, "first")
    folder.mark("stopped", step=3)
    where = ["-w", str(workspace)]
    assert run(["runs", "resume", "first", *where]) == 2
    assert "keeps no command" in capsys.readouterr().err
    folder.note_command(["runs", "list", *where])
    assert run(["runs", "resume", "first", *where]) == 0
    out = capsys.readouterr().out
    assert out.startswith("likeness runs list -w ")
    assert "stopped" in out
    folder.note_command(["runs", "show", "third", *where])
    assert run(["runs", "resume", "first", *where]) == 2
    folder.mark("finished", step=4)
    assert run(["runs", "resume", "first", *where]) == 2
    assert "first is finished: there is nothing to resume" in capsys.readouterr().err


def test_comparing_shows_where_recipes_differ_and_what_was_measured_last(workspace, capsys):
    first = make(workspace, "first", beta=500.0)
    second = make(workspace, "second", beta=200.0, draws=2)
    first.metrics.append({"step": 4, "loss": 0.5})
    first.metrics.append({"step": 4, "held_out": 0.7})
    second.metrics.append({"step": 2, "loss": 0.25})
    second.mark("failed", step=2)
    words = ["runs", "compare", "first", "second", "-w", str(workspace)]
    assert run([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"]["state"] == ["queued", "failed"]
    assert found["recipe"] == {"masked_dpo.beta": [500.0, 200.0], "masked_dpo.draws": [None, 2]}
    assert found["metrics"] == {"step": [4, 2], "loss": [0.5, 0.25], "held_out": [0.7, None]}
    assert run(words) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["masked_dpo.beta", "500", "200"] in lines
    assert ["held_out", "0.7", "-"] in lines
    assert run(["runs", "compare", "first", "third", "-w", str(workspace)]) == 2


def test_lost_runs_are_listed_as_such(workspace, capsys):
    folder = make(workspace, "first")
    with started(folder, "deaf") as process:
        os.kill(process.pid, signal.SIGKILL)
    assert run(["runs", "list", "-w", str(workspace), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["state"], row["message"]) == ("lost", "its process ended without a word")
