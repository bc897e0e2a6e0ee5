import json
import math
import shutil

import pytest
from workspaces import damage

from likeness.dashboards.reading import runs
from likeness.store.runs import RunError


@pytest.fixture
def workspace(filled, tmp_path):
    return shutil.copytree(filled.path, tmp_path / "copy")


def test_runs_are_listed_and_found(workspace):
    assert runs.names(workspace) == ["run-one"]
    assert runs.names(workspace, "two") == []
    line = runs.line_of(workspace, "run-one")
    assert (line.state, line.step, line.kind) == ("finished", 20, "masked_dpo")


@pytest.mark.parametrize("name", ["..", "../boards", "", "no-such"])
def test_no_other_folder_is_a_run(workspace, name):
    with pytest.raises(RunError, match="no run"):
        runs.folder_of(workspace, name)


def test_a_damaged_run_is_told_and_stops_no_other(workspace, filled):
    damage(workspace, filled)
    states = {name: runs.line_of(workspace, name).state for name in runs.names(workspace)}
    assert states == {"run-one": "unreadable", "half": "unreadable"}


def test_a_start_that_failed_shows_its_last_word(workspace):
    folder = workspace / "runs" / "late"
    folder.mkdir()
    (folder / runs.LOG).write_text("likeness align\nlikeness: no pairs yet\n")
    assert "late" in runs.names(workspace)
    line = runs.line_of(workspace, "late")
    assert (line.state, line.message) == ("failed", "likeness: no pairs yet")
    assert runs.line_of(workspace, "late", starting=True).state == "starting"


def test_curves_are_whole_where_they_are_short(workspace):
    curves = runs.curves(workspace, "run-one")
    assert curves["loss"].steps == list(range(1, 21))
    assert curves["loss"].values == [1 / step for step in range(1, 21)]


def test_long_curves_are_thinned_and_evaluations_stay(workspace):
    rows = [{"step": step, "loss": 1.0 / step} for step in range(1, 10_001)]
    rows.insert(5_001, {"step": 5_000, "held_out": 0.5})
    lines = [json.dumps(row) for row in rows]
    (workspace / "runs" / "run-one" / "metrics.jsonl").write_text("\n".join([*lines, '{"st']))
    curves = runs.curves(workspace, "run-one", most=100)
    assert 100 <= len(curves["loss"].steps) <= 103
    assert curves["loss"].steps[0] == 1
    assert curves["held_out"].steps == [5_000]
    assert all(v == 1 / s for s, v in zip(*vars(curves["loss"]).values(), strict=True))


def test_smoothing_leaves_a_constant_and_follows_the_rest():
    assert runs.smoothed([2.0] * 5, 0.9) == pytest.approx([2.0] * 5)
    assert runs.smoothed([1.0, 5.0, 2.0], 0.0) == [1.0, 5.0, 2.0]
    told = runs.smoothed([0.0] * 50 + [1.0] * 50, 0.9)
    assert told[49] == 0 and told[-1] == pytest.approx(1.0, abs=0.01)
    assert all(math.isfinite(value) for value in told)


def test_the_end_of_a_log_is_read(workspace):
    log = workspace / "runs" / "run-one" / runs.LOG
    assert runs.log_tail(workspace, "run-one") is None
    log.write_text("".join(f"line {number}\n" for number in range(100_000)))
    assert runs.log_tail(workspace, "run-one", lines=2) == "line 99998\nline 99999"


def test_recipes_are_compared(workspace):
    folder = runs.folder_of(workspace, "run-one")
    assert runs.differing_settings([folder, folder]) == {}
    other = shutil.copytree(folder.path, workspace / "runs" / "two") / "run.json"
    told = json.loads(other.read_text())
    told["recipe"]["masked_dpo"]["beta"] = 100.0
    other.write_text(json.dumps(told))
    found = runs.differing_settings([folder, runs.folder_of(workspace, "two")])
    assert found == {"masked_dpo.beta": [500.0, 100.0]}
