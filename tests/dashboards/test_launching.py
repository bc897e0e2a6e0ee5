"""Runs started from the pages: real processes, by the command line's own words."""

import json
import shutil
import time

import pytest
from workspaces import make_run

from likeness.dashboards import launching
from likeness.dashboards.reading import runs
from likeness.store.runs import RunError
from likeness.store.workspace import Workspace


@pytest.fixture
def workspace(filled, tmp_path):
    return shutil.copytree(filled.path, tmp_path / "copy")


def await_end(name):
    deadline = time.monotonic() + 240
    while launching.starting(name):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("name", ["", "../out", "a/b", "-x", ".hidden", "a b", "x" * 65, "<b>"])
def test_names_that_are_no_names_are_refused(workspace, name):
    with pytest.raises(RunError, match="letters"):
        launching.align(workspace, name, recipe="tiny_masked_dpo")
    assert not (workspace.parent / "out").exists()


def test_a_name_that_is_taken_is_refused(workspace):
    with pytest.raises(RunError, match="there already"):
        launching.align(workspace, "run-one", recipe="tiny_masked_dpo")


@pytest.mark.parametrize("word", ["--workspace=/elsewhere", "-h"])
def test_no_word_becomes_an_option(workspace, word):
    for asked in ({"recipe": word}, {"recipe": "dpo", "checkpoint": word}):
        with pytest.raises(RunError, match="dash"):
            launching.align(workspace, "new", **asked)
    with pytest.raises(RunError, match="dash"):
        launching.align(workspace, "new", recipe="dpo", settings=[word])


def test_what_is_not_there_can_not_be_resumed(workspace):
    with pytest.raises(RunError, match="no run"):
        launching.resume(workspace, "../boards")
    with pytest.raises(RunError, match="finished"):
        launching.resume(workspace, "run-one")


def test_only_runs_are_resumed(workspace):
    with Workspace.open(workspace) as opened:
        folder = make_run(opened, "other")
    folder.mark("stopped")
    folder.note_command(["forget", "somebody"])
    with pytest.raises(RunError, match="not started by align or train"):
        launching.resume(workspace, "other")


@pytest.mark.slow
def test_a_start_that_fails_says_why_in_its_log(workspace):
    launching.align(workspace, "new", recipe="no_such_recipe")
    assert runs.line_of(workspace, "new", starting=launching.starting("new")).state == "starting"
    with pytest.raises(RunError, match="there already"):
        launching.align(workspace, "new", recipe="tiny_masked_dpo")
    await_end("new")
    line = runs.line_of(workspace, "new", starting=launching.starting("new"))
    assert line.state == "failed"
    assert "no recipe no_such_recipe" in line.message
    log = (workspace / "runs" / "new" / runs.LOG).read_text()
    assert log.startswith("likeness align no_such_recipe")


@pytest.mark.slow
def test_a_stopped_run_goes_on_by_its_own_words(workspace):
    with Workspace.open(workspace) as opened:
        folder = make_run(opened, "again")
    folder.mark("stopped")
    folder.note_command(["align", "no_such_recipe", "--workspace", str(workspace), "--name", "x"])
    launching.resume(workspace, "again")
    await_end("again")
    told = runs.log_tail(workspace, "again")
    assert told is not None and "likeness align no_such_recipe" in told
    assert json.loads((folder.path / "command.json").read_text())[0] == "align"
