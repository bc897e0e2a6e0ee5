import math

import pandas as pd
import pytest

from likeness.benchmark.grid import COLUMNS, Grid
from likeness.benchmark.measurements import Measurement, MeasurementError


def cell(system: str, case: str, value: float, identity: str = "a") -> Measurement:
    reason = "why" if math.isnan(value) else None
    return Measurement(
        system=system, case=case, identity=identity, metric="motion", value=value, reason=reason
    )


def test_a_case_that_one_system_lacks_is_missing_there():
    grid = Grid([cell("a", "1", 0.5), cell("a", "2", math.nan), cell("b", "3", 0.1)])
    assert grid.values("a", "motion") == pytest.approx([0.5, math.nan, math.nan], nan_ok=True)
    assert grid.missing("a", "motion") == {"why": 1, "not measured": 1}


def test_contradicting_rows_are_refused():
    with pytest.raises(MeasurementError, match="twice"):
        Grid([cell("a", "1", 0.5), cell("a", "1", 0.6)])
    with pytest.raises(MeasurementError, match="shows a in one row and b"):
        Grid([cell("a", "1", 0.5), cell("b", "1", 0.6, identity="b")])


def test_shown_cases_run_from_the_greatest_loss_to_the_greatest_gain():
    gains = [0.3, -0.2, 0.0, 0.1, math.nan]
    rows = [cell("b", str(i), 0.0) for i in range(5)]
    rows += [cell("a", str(i), gain) for i, gain in enumerate(gains)]
    assert Grid(rows).spread("motion", "a", "b", 2) == ["1", "0"]
    assert Grid(rows).spread("motion", "a", "b", 9) == ["1", "2", "3", "0"]
    assert Grid([*rows[:5], cell("a", "0", math.nan)]).spread("motion", "a", "b", 3) == []


def test_rows_as_a_table_are_the_same_grid():
    rows = [cell("a", "1", 0.5), cell("b", "1", math.nan), cell("b", "2", 0.25)]
    one, two = Grid(rows), Grid(pd.DataFrame([row.to_dict() for row in rows], columns=COLUMNS))
    assert one.hashes() == two.hashes()
    assert two.missing("b", "motion") == {"why": 1}
    assert two.identities == ["a", "a"]


def test_a_hash_names_what_rows_say_and_not_their_order():
    rows = [cell("a", "1", 0.5), cell("a", "2", math.nan), cell("b", "1", 0.1)]
    known = Grid(rows).hashes()
    assert Grid(rows[::-1]).hashes() == known
    for edited in (cell("a", "1", 0.5 + 1e-16), cell("a", "1", 0.5, identity="z")):
        assert (edited == rows[0]) == (Grid([edited, *rows[1:2]]).hashes()["a"] == known["a"])
    more = Grid([*rows, cell("b", "2", 0.3)]).hashes()
    assert more["a"] == known["a"] and more["b"] != known["b"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": math.inf}, "finite, or NaN with a reason"),
        ({"value": None}, "finite, or NaN with a reason"),
        ({"reason": "lost"}, "finite, or NaN with a reason"),
        ({"system": None}, "row 1 of the measurements has no system"),
        ({"metric": "beauty"}, "no metric is called 'beauty'"),
    ],
)
def test_bad_rows_of_a_table_are_told_in_one_line(change, said):
    table = pd.DataFrame([cell("a", "1", 0.5).to_dict() | change], columns=COLUMNS)
    with pytest.raises(MeasurementError, match=said):
        Grid(table)
