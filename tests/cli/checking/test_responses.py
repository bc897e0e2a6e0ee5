import json
import math
from pathlib import Path

import numpy as np
import pytest

from likeness.cli.checking.cells import Cell, CellBook, Plan
from likeness.cli.checking.page import curves_page, markdown
from likeness.cli.checking.responses import report, violation_of
from likeness.store.errors import LikenessError

DOSES = (0.5, 1.0)


def cell(person: str, defect: str, dose: float, **values: float | None) -> Cell:
    timed = {"faces": 0.01, "quality": 0.002} if defect == "true" else {}
    return Cell(
        person=person, defect=defect, dose=dose, values=dict(values), reasons={}, seconds=timed
    )


def cells(falling: bool = True) -> list[Cell]:
    """Four people; quality falls with blur, sync_offset moves away from 0 with the shift."""
    rng, rows = np.random.default_rng(0), []
    for person in ("a", "b", "c", "d"):
        level = rng.uniform(4, 5)
        rows.append(cell(person, "true", 0, quality=level, sync_offset=0.0, identity_ref=0.9))
        for dose in DOSES:
            drop = dose + rng.normal(0, 0.01) if falling else rng.normal(0, 0.01)
            swapped = 0.9 - dose
            rows += [
                cell(person, "blur", dose, quality=level - drop, sync_offset=0.0, identity_ref=0.8),
                cell(person, "sound_shift", dose, quality=level, sync_offset=-8 * dose,
                     identity_ref=None),
                cell(person, "other_face", dose, quality=level, sync_offset=0.0,
                     identity_ref=swapped),
            ]  # fmt: skip
        rows.append(cell(person, "h264", 42.0, quality=level - 0.3, sync_offset=0.0))
    return rows


def test_violation_is_the_distance_to_a_falling_curve() -> None:
    assert violation_of(np.array([3.0, 2.0, 2.0, 0.0])) == 0
    assert violation_of(np.array([3.0, 1.0, 2.0, 0.0])) == pytest.approx(0.5 / 3)
    assert violation_of(np.array([0.0, 1.0])) == pytest.approx(0.5)
    assert math.isnan(violation_of(np.array([1.0, 1.0])))


def test_what_falls_is_told_from_what_does_not() -> None:
    found = report(cells(), {})
    blur = found.response("blur", "quality")
    assert blur is not None and blur.own and blur.falls
    assert blur.rank.value == -1
    assert [e.value for e in blur.changes] == pytest.approx([-0.5, -1.0], abs=0.03)
    assert blur.changes[1].low < -1.0 < blur.changes[1].high
    shift = found.response("sound_shift", "sync_offset")
    assert shift is not None and shift.falls  # both sides count alike
    assert [e.value for e in shift.changes] == [4, 8]
    assert found.response("blur", "sync_offset") is not None
    still = report(cells(falling=False), {}).response("blur", "quality")
    assert still is not None and not still.falls


def test_findings_say_what_holds() -> None:
    claims = {f.claim: f for f in report(cells(), {}).findings}
    assert claims["quality gets worse with blur"].holds
    assert claims["identity ranks the swapped face last"].holds
    rows = [
        cell(c.person, c.defect, c.dose, **{**c.values, "identity_ref": 0.95})
        if (c.defect, c.person) == ("other_face", "a")
        else c
        for c in cells()
    ]
    ranked = {f.claim: f for f in report(rows, {}).findings}["identity ranks the swapped face last"]
    assert not ranked.holds and ranked.measured.startswith("75 %")


def test_pages_hold_the_numbers() -> None:
    found = report(cells(), {})
    text = markdown(found)
    assert "| quality gets worse with blur |" in text
    assert "| quality | 4." in text and "CRF 42" in text
    assert "| faces | 10.0 |" in text
    page = curves_page(found)
    assert "blur: quality" in page and "http-equiv" not in page
    assert json.loads(json.dumps(found.to_dict()))["people"] == ["a", "b", "c", "d"]


def test_kept_cells_are_read_and_a_torn_line_is_not(tmp_path: Path) -> None:
    book = CellBook(tmp_path, {"plan": 1})
    book.add(cells()[:3])
    with book.path.open("a") as file:
        file.write('{"person": "e", "def')
    again = CellBook(tmp_path, {"plan": 1})
    assert list(again.cells) == [c.key for c in cells()[:3]]
    again.add(cells()[3:4])
    assert len(CellBook(tmp_path, {"plan": 1}).cells) == 4
    with pytest.raises(LikenessError, match="another"):
        CellBook(tmp_path, {"plan": 2})


def test_plans_refuse_what_can_not_be_planted() -> None:
    with pytest.raises(LikenessError, match="no defect 'rust'"):
        Plan(defects=("rust",))
    with pytest.raises(LikenessError, match="rise within"):
        Plan(doses=(0.5, 0.2))
