"""The check's assertions on a few drawn people, and clips that lack what a defect needs."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from likeness.cli import run
from likeness.cli.checking.catalogue import KNOWN
from likeness.cli.checking.cells import CellBook, Plan, fill, planted
from likeness.cli.checking.responses import combined, report
from likeness.cli.checking.specimens import Specimen, drawn_specimens, labelled_table
from likeness.rewards.combine.recipe import COMBINATIONS
from likeness.rewards.sets import RewardSet
from likeness.store.errors import LikenessError
from likeness.store.media import encode

PLAN = Plan(doses=(0.33, 0.67, 1.0), crfs=(28,))


@pytest.fixture(scope="module")
def specimens() -> list[Specimen]:
    return drawn_specimens("spare", 8, 1.0)


def test_the_same_seed_spoils_alike(specimens: list[Specimen]) -> None:
    one = specimens[0]
    for name in KNOWN:
        first, again = (planted(one, name, 0.7, 0) for _ in range(2))
        assert not isinstance(first, str) and not isinstance(again, str)
        assert (first.clip.hash, first.prompt) == (again.clip.hash, again.prompt)
        other = planted(one, name, 0.3, 0)
        assert not isinstance(other, str)
        assert (other.clip.hash, other.prompt) != (first.clip.hash, first.prompt)


def test_what_can_not_be_planted_says_why(specimens: list[Specimen]) -> None:
    bare = replace(specimens[0], mask=None, other_prompt=None)
    assert planted(bare, "other_background", 1.0, 0) == "where the person ends is not known"
    assert planted(bare, "other_words", 1.0, 0) == "no prompt given"


@pytest.mark.slow
def test_each_defect_lowers_its_own_reward(specimens: list[Specimen], tmp_path: Path) -> None:
    rewards = RewardSet.load("testbed").with_movement()
    cells = fill(CellBook(tmp_path, {}), specimens, rewards, PLAN)
    found = report(combined(cells, COMBINATIONS.load("testbed")), {})
    assert [f"{f.claim}: {f.measured}" for f in found.findings if not f.holds] == []
    assert {r.defect for r in found.responses if r.own} == set(KNOWN)
    assert {"faces", "identity_ref", "quality"} <= found.seconds.keys()
    assert all(seconds > 0 for seconds in found.seconds.values())
    codec = found.response("h264", "identity_ref")
    assert codec is not None and abs(codec.changes[0].value) < 0.1

    class Asleep:
        """Fails where it is asked to score what is in the book already."""

    again = fill(CellBook(tmp_path, {}), specimens, Asleep(), PLAN)  # type: ignore[arg-type]
    assert [c.key for c in again] == [c.key for c in cells]


def test_labelled_clips_come_from_a_folder_or_a_table(tmp_path: Path) -> None:
    for name in ("ann/1.mp4", "ann/2.mp4", "bob/1.mp4", "bob/2.mp4", "cid/1.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    table = labelled_table(tmp_path)
    assert table["person"].tolist() == ["ann", "ann", "bob", "bob"]
    pd.DataFrame({"clip": ["ann/1.mp4", "bob/1.mp4"], "person": ["ann", "bob"]}).to_csv(
        tmp_path / "clips.csv", index=False
    )
    with pytest.raises(LikenessError, match="two clips each"):
        labelled_table(tmp_path / "clips.csv")


@pytest.mark.slow
def test_the_command_checks_files_and_goes_on(
    specimens: list[Specimen], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in specimens[:2]:
        folder = tmp_path / "people" / one.person
        folder.mkdir(parents=True)
        assert one.subject.reference is not None
        encode(one.subject.clip, folder / "1.mp4")
        encode(one.subject.reference, folder / "2.mp4")
    arguments = ["rewards", "check", "--data", str(tmp_path / "people"), "--seconds", "1"]
    code = run([*arguments, "--out", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert code in (0, 1)  # two people are too few to be sure of anything
    assert "| quality gets worse with blur |" in said
    assert "other_words" not in said and "other_background" not in said
    for name in ("check.md", "check.json", "check.html", "cells.jsonl", "plan.json"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    before = (tmp_path / "out" / "cells.jsonl").read_bytes()
    assert run([*arguments, "--out", str(tmp_path / "out")]) == code
    assert (tmp_path / "out" / "cells.jsonl").read_bytes() == before
    assert run([*arguments, "--seed", "1", "--out", str(tmp_path / "out")]) == 2
    assert "choose another folder" in " ".join(capsys.readouterr().err.split())
