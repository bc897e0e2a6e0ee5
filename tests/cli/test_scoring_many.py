"""`likeness score` over folders, tables and suites: gone on with, summed up, kept."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from likeness.benchmark.suite import Suite
from likeness.cli import run
from likeness.cli.loop.stage import condition_of, stage_testbed
from likeness.rewards.base import Detail
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.motion import MotionReward
from likeness.rewards.scoring import scorer
from likeness.rewards.sets import score_names
from likeness.store.media import encode
from likeness.store.records import Checkpoint, Sample
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of

REWARDS = len(score_names())


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """Make a folder with a person's film and, below it, one without sound and one that is none."""
    folder = tmp_path_factory.mktemp("films")
    (person,) = cast("heldout", 1)
    first, second = (take_of(person, scene, 1.2).clip for scene in (0, 1))
    encode(first, folder / "person.mp4")
    (folder / "made").mkdir()
    encode(second, folder / "made" / "clip.mp4")
    encode(replace(second, audio=np.zeros(0, np.float32)), folder / "made" / "mute.mp4")
    (folder / "made" / "text.mp4").write_text("no film at all")
    (folder / "made" / "notes.txt").write_text("of the making")
    return folder


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Note the names of films that are read."""
    names: list[str] = []
    footage = scorer.footage

    def noting(path, **settings):
        names.append(path.name)
        return footage(path, **settings)

    monkeypatch.setattr(scorer, "footage", noting)
    return names


def test_a_folder_is_scored_and_summed_up(films, capsys):
    assert run(["score", str(films / "made"), "-r", str(films / "person.mp4")]) == 0
    told = capsys.readouterr()
    assert "quality: mean " in told.out and "(2 of 3)" in told.out
    assert "sync_c: mean " in told.out and "(1 of 3)" in told.out
    assert (
        "1 clip without sync_c, sync_d, sync_offset, sync_c_valid, sync_d_valid: no sound"
        in told.out
    )
    assert "3 clips without" not in told.out
    assert "1 of 4 files are no films by their names" in told.err
    assert f"likeness: {films / 'made' / 'text.mp4'}: " in told.err


def test_json_stays_json_and_quiet_is_quiet(films, capsys):
    command = ["score", str(films / "made"), "-r", str(films / "person.mp4"), "-f", "json"]
    assert run([*command, "--quiet"]) == 0
    told = capsys.readouterr()
    assert len(json.loads(told.out)) == 3 * REWARDS
    (line,) = told.err.splitlines()
    assert "text.mp4" in line


def test_a_table_into_parquet_goes_on_where_it_was(films, tmp_path, capsys, decoded):
    table, out = tmp_path / "clips.csv", tmp_path / "scores.parquet"
    rows = [f"{films / 'made' / name},{films / 'person.mp4'},Ann" for name in ("clip.mp4",)]
    table.write_text("\n".join(["path,reference,identity", *rows]) + "\n")
    assert run(["score", str(table), "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("identity_ref: mean ")
    assert decoded == ["person.mp4", "clip.mp4"]
    before = pd.read_parquet(out)
    rows.append(f"{films / 'made' / 'mute.mp4'},{films / 'person.mp4'},Ann")
    table.write_text("\n".join(["path,reference,identity", *rows]) + "\n")
    decoded.clear()
    assert run(["score", str(table), "--out", str(out)]) == 0
    assert decoded == ["person.mp4", "mute.mp4"]
    both = pd.read_parquet(out)
    assert len(both) == 2 * REWARDS
    pd.testing.assert_frame_equal(both[:REWARDS], before)
    assert set(both["identity"]) == {"Ann"}
    mute = both[REWARDS:].set_index("reward")
    assert np.isnan(mute.loc["sync_c", "value"])
    assert mute.loc["sync_c", "reason"] == "no sound"
    assert mute["weights"].str.len().min() >= 64


def test_further_rewards_are_asked_for_by_name(films, tmp_path, capsys):
    command = ["score", str(films / "made"), "-r", str(films / "person.mp4"), "-f", "json"]
    assert run([*command, "--with", "movement", "--out", str(tmp_path / "scores.csv")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["reward"] for row in rows] == [*score_names(["movement"])] * 3
    values = {
        Path(row["clip"]).name: row["value"] for row in rows if row["reward"] == "naturalness"
    }
    assert 0 <= values["clip.mp4"] <= 1
    assert values["mute.mp4"] is values["text.mp4"] is None


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (["beauty"], "no extra reward called 'beauty'; known are qalign, videoreward, movement"),
        (["movement=here"], "movement takes no folder"),
        (["qalign", "qalign=here"], "qalign=here: its scores are there already"),
    ],
)
def test_a_further_reward_that_cannot_be_is_refused_at_once(films, wanted, told, capsys):
    options = [part for name in wanted for part in ("--with", name)]
    assert run(["score", str(films / "made"), "-r", str(films / "person.mp4"), *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line


def test_a_further_reward_without_its_model_is_a_reason(films, tmp_path, capsys):
    clip, folder = str(films / "made" / "clip.mp4"), tmp_path / "none"
    command = ["score", clip, "-r", str(films / "person.mp4"), "--with", f"qalign={folder}"]
    assert run(command) == 0
    assert f"no qalign: {folder}: no such folder" in capsys.readouterr().out.replace("\n", "")


def test_what_lies_behind_the_scores_is_written(films, tmp_path, monkeypatch):
    def detail(self, subject):
        return Detail(values={"jerk": 0.5}, curves={"mouth": np.array([0.25, np.nan])})

    monkeypatch.setattr(MotionReward, "detail", detail, raising=False)
    clip, folder = str(films / "made" / "clip.mp4"), tmp_path / "detail"
    command = ["score", clip, "-r", str(films / "person.mp4"), "--detail", str(folder)]
    assert run(command) == 0
    values = pd.read_parquet(folder / "values.parquet").query("reward == 'motion'")
    assert values.to_dict("records") == [
        {"clip": clip, "reward": "motion", "name": "jerk", "value": 0.5}
    ]
    curves = pd.read_parquet(folder / "curves.parquet").query("reward == 'motion'")
    assert curves["frame"].tolist() == [0, 1]
    assert curves["value"].fillna(-1).tolist() == [0.25, -1]


def test_scores_go_into_a_workspace_once(films, tmp_path):
    command = ["score", str(films / "made"), "-r", str(films / "person.mp4")]
    for _ in range(2):
        assert run([*command, "--workspace", str(tmp_path / "w"), "--quiet"]) == 0
    with Workspace.open(tmp_path / "w") as workspace:
        assert len(workspace.clips()) == 2  # a file that is no film is no clip
        assert len(workspace.scores(superseded=True)) == 2 * REWARDS


def test_faces_are_found_once_for_a_workspace(films, tmp_path, monkeypatch):
    place = tmp_path / "w"
    command = ["score", str(films / "made" / "clip.mp4"), "-r", str(films / "person.mp4")]
    command += ["--workspace", str(place), "--quiet", "--format", "json"]
    assert run(command) == 0
    kept = list((place / "cache" / "faces").iterdir())
    assert len(kept) == 2
    monkeypatch.setattr(TestbedDetector, "detect", lambda *_: pytest.fail("looked again"))
    assert run(command) == 0


class TestSuite:
    @pytest.fixture(scope="class")
    def suite(self, tmp_path_factory) -> Path:
        """Freeze a suite of two cases, one of which has been answered."""
        folder = tmp_path_factory.mktemp("suite")
        with Workspace.create(folder / "w") as workspace:
            cases = stage_testbed(workspace, "heldout", 2)
            Suite(name="small", cases=tuple(cases)).freeze(folder / "suite.json")
            made = Checkpoint(id="base", run=None, step=0, path="p", hash="h", preset="tiny")
            condition = condition_of(cases[0])
            sample = Sample(
                clip=cases[0].target, condition=condition.id, checkpoint="base", seed=0, sampler={}
            )
            workspace.add(made, sample)
        return folder

    def test_its_samples_are_scored_under_their_conditions(self, suite, capsys):
        command = ["score", str(suite / "suite.json"), "--workspace", str(suite / "w")]
        assert run([*command, "--format", "json"]) == 0
        told = capsys.readouterr()
        rows = {row["reward"]: row for row in json.loads(told.out)}
        assert rows["identity_target"]["value"] == pytest.approx(1, abs=1e-4)
        assert rows["text"]["value"] is not None
        assert "1 of 2 cases have no sample" in told.err
        with Workspace.open(suite / "w") as workspace:
            (sample,) = workspace.samples()
            scores = workspace.scores(clip=sample.clip, condition=sample.condition)
        assert {score.reward for score in scores} == set(rows)

    def test_a_checkpoint_without_samples_is_told(self, suite, capsys):
        command = ["score", str(suite / "suite.json"), "--workspace", str(suite / "w")]
        assert run([*command, "--checkpoint", "other"]) == 2
        assert "no samples of checkpoint other for its 2 cases" in capsys.readouterr().err

    def test_a_suite_needs_a_workspace(self, suite, capsys):
        assert run(["score", str(suite / "suite.json")]) == 2
        assert "say with --workspace whose samples" in capsys.readouterr().err
