"""From a collection to a frozen suite, and systems before it, as typed."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from likeness.benchmark.suite import Suite
from likeness.cli import run
from likeness.store.media import decode, encode
from likeness.store.records import ClipEntry
from likeness.store.workspace import Workspace
from likeness.testbed.cast import cast, take_of

PEOPLE, SECONDS = 3, 1.2


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    for person in cast("heldout", PEOPLE):
        for scene in range(2):
            clip = take_of(person, scene, SECONDS).clip
            encode(clip, folder / f"{person.identity}_{scene}.mp4")
    return folder


def curate(films: Path, out: Path, *more: str) -> int:
    words = ["benchmark", "curate", str(films), "--out", str(out), "--rewards", "testbed"]
    return run([*words, "--seconds", str(SECONDS), *more])


@pytest.fixture(scope="module")
def suite(films, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("suite") / "suite"
    assert curate(films, out, "--unchecked", "--hidden", "0.6") == 0
    return out


@pytest.fixture(scope="module")
def handed(suite, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("handed")
    assert run(["benchmark", "export", str(suite), "--out", str(out)]) == 0
    return out


def test_a_suite_is_frozen_of_the_pairs_that_are_accepted(films, tmp_path, capsys):
    out = tmp_path / "suite"
    assert curate(films, out) == 0
    assert not (out / "suite.json").exists()
    assert "run again with --decisions" in capsys.readouterr().out
    rows = list(csv.DictReader((out / "decisions.csv").open()))
    assert len(rows) == PEOPLE
    verdicts = ["accept", "reject", ""]
    sheet = tmp_path / "mine.csv"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row, verdict in zip(rows, verdicts, strict=True):
            writer.writerow({**row, "decision": verdict, "note": "a cut" * (verdict == "reject")})
    assert curate(films, out, "--decisions", str(sheet), "--version", "7") == 0
    made = Suite.load(out / "suite.json")
    assert (made.version, made.made["checked"], len(made.cases)) == ("7", "by hand", 1)
    assert made.cases[0].identity == rows[0]["identity"]
    left = {r["kind"]: r["reason"] for r in csv.DictReader((out / "rejections.csv").open())}
    assert left == {"rejected by hand": "a cut", "undecided": "nobody decided"}


def test_both_ways_at_once_are_refused(films, tmp_path, capsys):
    assert curate(films, tmp_path / "out", "--unchecked", "--decisions", "x.csv") == 2
    assert "not both" in capsys.readouterr().err


def test_a_case_gives_what_a_system_needs_and_hides_what_it_should(suite, handed):
    cases = Suite.load(suite / "suite.json").cases
    assert {case.hidden for case in cases} == {True, False}
    for case in cases:
        folder = handed / case.id
        assert decode(folder / "reference.mp4").duration == pytest.approx(SECONDS)
        assert (folder / "prompt.txt").read_text() == f"{case.prompt}\n"
        assert json.loads((folder / "case.json").read_text())["frames"] == 30
        assert (folder / "background.png").is_file() and (folder / "audio.wav").is_file()
        assert (folder / "target.mp4").exists() == (not case.hidden)


def clips_of(suite: Path, folder: Path) -> list[str]:
    """Answer every case with its true clip: a system that can't be better."""
    folder.mkdir()
    cases = Suite.load(suite / "suite.json").cases
    with Workspace.open(suite / "workspace") as workspace:
        for case in cases:
            encode(workspace.get_clip(case.target), folder / f"{case.id}.mp4")
    return [case.id for case in cases]


def submit(suite: Path, clips: Path, out: Path, *more: str) -> int:
    words = ["benchmark", "submit", str(suite), "--clips", str(clips), "--out", str(out)]
    return run([*words, "--system", "HuMo", "--protocol", "edited-image", *more])


def rows_of(out: Path) -> pd.DataFrame:
    return pd.read_parquet(out / "HuMo_edited-image.parquet")


def test_a_folder_of_another_systems_clips_is_judged(suite, tmp_path):
    cases = clips_of(suite, tmp_path / "clips")
    assert submit(suite, tmp_path / "clips", tmp_path / "rows") == 0
    rows = rows_of(tmp_path / "rows")
    assert set(rows["system"]) == {"HuMo (edited-image)"}
    alike = rows[rows["metric"] == "identity_target"].set_index("case")["value"]
    assert set(alike.index) == set(cases)
    assert alike.min() > 0.95
    manifest = json.loads((tmp_path / "rows" / "HuMo_edited-image.json").read_text())
    assert manifest["suite"]["hash"] == Suite.load(suite / "suite.json").hash
    assert manifest["failed"] == {}
    with Workspace.open(suite / "workspace") as workspace:
        for clip in manifest["clips"].values():
            assert workspace.get(ClipEntry, clip).origin == "generated"


def test_what_is_missing_or_wrong_counts_as_failed(suite, tmp_path, capsys):
    clips = tmp_path / "clips"
    short, twice, gone = clips_of(suite, clips)
    clip = decode(clips / f"{short}.mp4")
    encode(clip.window(0, 10), clips / f"{short}.mp4")
    shutil.copy(clips / f"{twice}.mp4", clips / f"{twice}.mov")
    (clips / f"{gone}.mp4").rename(clips / f"{gone[:-1]}_.mp4")
    assert submit(suite, clips, tmp_path / "rows") == 0
    told = capsys.readouterr().out
    assert f"{gone[:-1]}_.mp4 is called by no case of the suite; did you mean {gone}.mp4?" in told
    rows = rows_of(tmp_path / "rows").set_index("case")
    reasons = {case: set(rows.loc[case, "reason"]) for case in (short, twice, gone)}
    assert reasons == {
        short: {f"{short}.mp4: wrong length: 0.40 s, 1.20 s asked for"},
        twice: {f"2 files for this case: {twice}.mov, {twice}.mp4"},
        gone: {"no clip for this case"},
    }
    assert np.isnan(rows["value"].astype(float)).all()
    assert "0 of 3 cases were judged" in told


def test_a_file_that_cannot_be_read_fails_alone(suite, tmp_path):
    first, *others = clips_of(suite, tmp_path / "clips")
    (tmp_path / "clips" / f"{first}.mp4").write_bytes(b"no film")
    assert submit(suite, tmp_path / "clips", tmp_path / "rows") == 0
    rows = rows_of(tmp_path / "rows").set_index("case")
    assert rows.loc[first, "reason"].str.contains("unreadable: damaged").all()
    assert rows.loc[others, "value"].notna().any()


def test_a_folder_in_which_nothing_fits_is_refused(suite, tmp_path, capsys):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"")
    assert submit(suite, tmp_path / "clips", tmp_path / "rows") == 2
    assert "holds no film called by a case" in capsys.readouterr().err


def test_an_edited_suite_is_refused_with_the_difference(suite, tmp_path, capsys):
    copy = tmp_path / "copy"
    copy.mkdir()
    content = json.loads((suite / "suite.json").read_text())
    content["cases"][0]["prompt"] = "somebody else"
    (copy / "suite.json").write_text(json.dumps(content))
    assert run(["benchmark", "run", str(copy), "--out", str(tmp_path / "rows")]) == 2
    told = capsys.readouterr().err
    assert "prompt of case 1" in told and "is 'somebody else'" in told


@pytest.mark.parametrize(
    ("references", "told"),
    [("12,many", "must be numbers"), ("48", "has 30 frames at 25 a second, and 49 are asked for")],
)
def test_bad_references_are_told(suite, references, told, tmp_path, capsys):
    words = ["benchmark", "run", str(suite), "--out", str(tmp_path)]
    assert run([*words, "--references", references]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_of_ours_gives_figure_3(suite, tmp_path):
    words = ["benchmark", "run", str(suite), "--out", str(tmp_path), "--steps", "1"]
    assert run([*words, "--references", "12,24", "--system", "tiny"]) == 0
    rows = pd.read_parquet(tmp_path / "tiny.parquet")
    assert set(rows["system"]) == {"tiny (13 frames)", "tiny (25 frames)"}
    assert set(rows["case"]) == {case.id for case in Suite.load(suite / "suite.json").cases}
    assert "as TAVR's Figure 3" in (tmp_path / "tiny.curve.md").read_text()
    assert json.loads((tmp_path / "tiny.json").read_text())["protocol"]["references"] == [13, 25]
