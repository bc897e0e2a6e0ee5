"""Several real processes in one workspace."""

import subprocess
import sys
import time

import pytest

from likeness.store.workspace import Workspace, WorkspaceError

HOLD = """
import sys, time
from likeness.store.workspace import Workspace
with Workspace.open(sys.argv[1]).lock("demo"):
    print("held", flush=True)
    time.sleep(60)
"""

WRITE = """
import sys
import numpy as np
from likeness.store import Clip
from likeness.store.records import Run, Score
from likeness.store.workspace import Workspace
who = int(sys.argv[2])
with Workspace.create(sys.argv[1]) as workspace:
    shared = np.full((2, 16, 16, 3), 7, np.uint8)
    for k in range(15):
        own = np.full((2, 16, 16, 3), 50 + 20 * who + k, np.uint8)
        for frames in (shared, own):
            clip = Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16000)
            name = workspace.put_clip(clip)
            workspace.add_scores([Score(clip=name, reward="r", value=float(k), version="1")])
        workspace.add(
            Run(id=f"run-{k}", kind="k", recipe={}, seeds=(), commit="", dataset_hash="")
        )
"""


pytestmark = pytest.mark.slow


def run(code: str, *args: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_second_process_is_told_who_works_here(workspace):
    other = run(HOLD, workspace.path)
    try:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(WorkspaceError, match=f"demo is already running as process {other.pid}"),
            workspace.lock("demo"),
        ):
            pass
        with workspace.lock("another piece of work"):
            pass
    finally:
        other.kill()
        other.communicate()
    with workspace.lock("demo"):
        pass


def test_processes_that_create_and_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "workspace"
    others = [run(WRITE, path, who) for who in range(3)]
    for other in others:
        _, errors = other.communicate(timeout=120)
        assert other.returncode == 0, errors
    with Workspace.open(path) as workspace:
        assert len(workspace.clips()) == 1 + 3 * 15
        assert len(workspace.scores(superseded=True)) == 3 * 2 * 15
        assert len(workspace.runs()) == 15
        assert all(workspace.clip_path(c.id).is_file() for c in workspace.clips())


def test_a_killed_writer_leaves_a_whole_workspace(tmp_path):
    path = tmp_path / "workspace"
    other = run(WRITE, path, 0)
    deadline = time.monotonic() + 60
    while not list(path.glob("clips/??/*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    other.kill()
    other.communicate()
    with Workspace.create(path) as workspace:
        for entry in workspace.clips():
            assert len(workspace.get_clip(entry.id)) == 2
    again = run(WRITE, path, 0)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    with Workspace.open(path) as workspace:
        assert len(workspace.clips()) == 1 + 15
