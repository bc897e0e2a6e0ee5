"""runs, consent, forget and doctor --upgrade on a real workspace."""

import json
from pathlib import Path

import numpy as np
import pytest

from likeness.cli import run
from likeness.store import Clip
from likeness.store.records import Checkpoint, Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a workspace with a clip of Ada, a finished run and one that waits."""
    folder = tmp_path / "workspace"
    clip = Clip(
        frames=np.zeros((3, 16, 16, 3), np.uint8),
        fps=25.0,
        audio=np.zeros(1920, np.float32),
        sample_rate=16000,
        identity="ada",
    )
    with Workspace.create(folder) as opened:
        opened.put_clip(clip)
        for number, name in enumerate(("first", "second")):
            record = Run(
                id=name,
                kind="masked_dpo",
                recipe={"masked_dpo": {"beta": 500.0}},
                seeds=(7,),
                commit="abc",
                dataset_hash="def",
                created=f"2026-01-0{number + 1}T00:00:00+00:00",
                identities=("ada",),
            )
            opened.add(record)
            RunFolder.create(folder / "runs" / name, record)
        opened.add(Checkpoint(id="first-2", run="first", step=2, path="x", hash="h", preset="tiny"))
    first = RunFolder.open(folder / "runs" / "first")
    first.metrics.append({"step": 2, "loss": 0.25})
    first.mark("finished", step=2)
    return folder


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_runs_are_listed_with_their_state(workspace, capsys):
    assert run(["runs", "list", "-w", str(workspace)]) == 0
    first, second = told(capsys).splitlines()
    assert first.startswith("first ")
    assert "finished" in first
    assert "queued" in second


def test_runs_as_json(workspace, capsys, monkeypatch):
    monkeypatch.setenv("LIKENESS_WORKSPACE", str(workspace))
    assert run(["runs", "list", "--json"]) == 0
    rows = json.loads(told(capsys))
    assert [(row["id"], row["state"], row["step"]) for row in rows] == [
        ("first", "finished", 2),
        ("second", "queued", 0),
    ]


def test_no_runs_say_how_to_start_one(tmp_path, capsys):
    Workspace.create(tmp_path).close()
    assert run(["runs", "list", "-w", str(tmp_path)]) == 0
    assert "likeness align" in told(capsys)


def test_show_tells_everything_of_a_run(workspace, capsys):
    assert run(["runs", "show", "first", "-w", str(workspace), "--json"]) == 0
    shown = json.loads(told(capsys))
    assert shown["metrics"] == {"step": 2, "loss": 0.25}
    assert shown["recipe"] == {"masked_dpo": {"beta": 500.0}}
    assert [checkpoint["id"] for checkpoint in shown["checkpoints"]] == ["first-2"]
    assert run(["runs", "show", "first", "-w", str(workspace)]) == 0
    assert "loss" in told(capsys)


def test_an_evaluation_hides_no_metric(workspace, capsys):
    folder = RunFolder.open(workspace / "runs" / "first")
    folder.metrics.append({"step": 2, "held_out_quality": 4.0})
    assert run(["runs", "show", "first", "-w", str(workspace), "--json"]) == 0
    shown = json.loads(told(capsys))["metrics"]
    assert shown == {"step": 2, "loss": 0.25, "held_out_quality": 4.0}
    assert run(["runs", "watch", "first", "-w", str(workspace), "--lines", "1"]) == 0
    assert "step      2  held_out_quality 4" in told(capsys)


def test_a_running_run_is_asked_to_stop(workspace, capsys):
    second = RunFolder.open(workspace / "runs" / "second")
    with second.running():
        assert run(["runs", "stop", "second", "-w", str(workspace), "--wait", "0"]) == 0
        assert second.stop_requested
    assert "second" in told(capsys)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["runs", "stop", "first"], "first is finished, not running"),
        (["runs", "show", "third"], "third"),
        (["forget", "ada"], "--yes"),
        (["forget", "bob", "--yes"], "bob"),
        (["consent", "add", "ada", "--who", "Ada", "--purpose", "x", "--until", "soon"], "soon"),
    ],
)
def test_bad_input_is_one_line_and_code_2(workspace, capsys, arguments, expected):
    assert run([*arguments, "--workspace", str(workspace)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("likeness: ")
    assert expected in line


@pytest.mark.parametrize("verb", [["runs", "list"], ["runs", "show", "first"], ["forget", "ada"]])
def test_a_folder_that_is_no_workspace(tmp_path, capsys, verb):
    assert run([*verb, "-w", str(tmp_path / "nowhere")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no workspace here" in line
    assert not (tmp_path / "nowhere").exists()


def test_consent_is_written_down_and_listed(workspace, capsys):
    where = ["-w", str(workspace)]
    given = ["--who", "Ada", "--purpose", "research", "--until", "2027-01-31"]
    assert run(["consent", "add", "ada", *given, *where]) == 0
    told(capsys)
    assert run(["consent", "list", *where, "--json"]) == 0
    (record,) = json.loads(told(capsys))
    assert (record["identity"], record["who"], record["until"]) == ("ada", "Ada", "2027-01-31")
    assert run(["consent", "list", "bob", *where]) == 0
    assert told(capsys) == ""


def test_forgetting_removes_a_person_and_marks_what_learnt_from_them(workspace, capsys):
    assert run(["forget", "ada", "--yes", "-w", str(workspace), "--json"]) == 0
    forgotten = json.loads(told(capsys))
    assert len(forgotten["clips"]) == 1
    assert forgotten["checkpoints"] == ["first-2"]
    with Workspace.open(workspace) as opened:
        assert opened.clips(identity="ada") == []
    assert run(["runs", "show", "first", "-w", str(workspace)]) == 0
    assert "learnt from forgotten people" in told(capsys)


def test_doctor_upgrades_a_workspace(workspace, capsys):
    assert run(["doctor", "--upgrade", str(workspace)]) == 0
    assert "present version" in told(capsys)
    assert run(["runs", "list", "-w", str(workspace)]) == 0
