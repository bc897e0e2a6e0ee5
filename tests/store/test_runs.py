import json
import os
import re
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from likeness.store.records import Run
from likeness.store.runs import LOST_AFTER, RunError, RunFolder


def make_run(name: str = "first") -> Run:
    return Run(
        id=name,
        kind="masked_dpo",
        recipe={"masked_dpo": {"beta": 500.0}},
        seeds=(0,),
        commit="0" * 40,
        dataset_hash="d" * 64,
    )


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "runs" / "first", make_run())


def test_a_new_run_is_queued_and_says_what_was_asked(run):
    assert run.status.state == "queued"
    assert run.record == replace(make_run(), created=run.record.created)
    assert tomllib.loads((run.path / "recipe.toml").read_text()) == make_run().recipe
    assert RunFolder.open(run.path).status == run.status


def test_a_run_is_not_made_twice(run):
    with pytest.raises(RunError, match="is there already"):
        RunFolder.create(run.path, make_run())


def test_a_run_whose_making_was_cut_short_is_made_again(run):
    (run.path / "run.json").unlink()
    assert RunFolder.open_or_create(run.path, make_run()).status.state == "queued"
    run.mark("stopped", step=3)
    assert RunFolder.open_or_create(run.path, make_run("other")).status.step == 3
    assert run.record.id == "first"


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="is no run"):
        RunFolder.open(tmp_path)


def test_states_follow_what_happens(run):
    with run.running():
        assert run.status.state == "running"
        assert run.record.state == "running"
        run.mark("finished", step=7)
    assert (run.status.state, run.status.step) == ("finished", 7)
    with pytest.raises(ValueError, match="odd"), run.running():
        raise ValueError("odd")
    assert (run.status.state, run.status.step, run.status.message) == ("failed", 7, "odd")
    with pytest.raises(KeyboardInterrupt), run.running():
        raise KeyboardInterrupt
    assert run.status.state == "stopped"


def test_a_run_whose_process_died_is_lost(run):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from likeness.store.runs import RunFolder\n"
        "with RunFolder.open(Path(sys.argv[1])).running():\n    os._exit(9)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, str(run.path)], check=False)
    assert process.returncode == 9
    assert '"running"' in (run.path / "status.json").read_text()
    assert (run.status.state, run.status.message) == ("lost", "its process ended without a word")
    assert run.holder is None
    with run.running():
        assert run.status.state == "running"


def test_a_run_on_another_machine_is_lost_when_its_heart_stops(run):
    run.mark("running")
    lock = run.path / "lock"
    lock.write_text(json.dumps({"pid": 1, "host": "elsewhere"}))
    assert run.status.state == "running"
    assert run.holder is None
    ago = time.time() - LOST_AFTER - 5
    os.utime(lock, (ago, ago))
    assert run.status.state == "lost"
    assert re.fullmatch(r"no sign of life from elsewhere for 6\d s", run.status.message)


def test_a_heart_beats_as_long_as_the_run_is_held(run, monkeypatch):
    monkeypatch.setattr("likeness.store.runs.BEAT", 0.02)
    lock = run.path / "lock"
    with run.running():
        assert run.holder == os.getpid()
        os.utime(lock, (0, 0))
        deadline = time.time() + 60
        while lock.stat().st_mtime < 1 and time.time() < deadline:
            time.sleep(0.02)
        assert lock.stat().st_mtime > 1
    os.utime(lock, (0, 0))
    time.sleep(0.1)
    assert lock.stat().st_mtime == 0


def test_the_words_that_started_a_run_are_kept(run):
    with pytest.raises(RunError, match="keeps no command"):
        _ = run.command
    run.note_command(["align", "dpo", "--name", "first"])
    assert run.command == ["align", "dpo", "--name", "first"]


def test_two_processes_can_not_train_one_run(run):
    other = RunFolder.open(run.path)
    with (
        run.running(),
        pytest.raises(RunError, match="being trained by another process"),
        other.running(),
    ):
        pass
    with other.running():
        pass


def test_a_stop_request_holds_until_the_next_start(run):
    with run.running():
        assert not run.stop_requested
        RunFolder.open(run.path).request_stop()
        assert run.stop_requested
        assert run.status.state == "stopping"
    with run.running():
        assert not run.stop_requested


def test_metrics_are_on_disk_line_by_line_and_cut_back(run):
    for step in (1, 2, 3):
        run.metrics.append({"step": step, "loss": 0.1 * step})
        assert len(run.metrics.path.read_text().splitlines()) == step
    with run.metrics.path.open("a") as file:
        file.write('{"step": 4, "lo')  # as a killed process leaves it
    assert [row["step"] for row in run.metrics.read()] == [1, 2, 3]
    before = run.metrics.path.read_text().splitlines()[:2]
    run.metrics.cut_after(2)
    assert run.metrics.path.read_text().splitlines() == before


def test_what_a_killed_process_left_half_written_is_cleared(run):
    leftover = run.path / "checkpoints" / ".step_000005.99.part.safetensors"
    leftover.touch()
    with run.running():
        assert not leftover.exists()


def test_metrics_on_a_full_disk_are_an_error(run):
    run.metrics.path = Path("/dev/full")
    with pytest.raises(RunError, match="No space left on device; make room and resume"):
        run.metrics.append({"step": 1})
