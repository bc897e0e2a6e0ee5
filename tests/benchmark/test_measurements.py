import math

import pytest
from scores import score

from likeness.benchmark.measurements import (
    Measurement,
    MeasurementError,
    measure,
    reward_versions,
)


def test_every_case_gets_a_row_or_a_reason(suite):
    first, second, *rest = suite.cases
    scores = {case.id: [score("motion", 0.5)] for case in rest}
    scores[second.id] = [score("quality", 3.0)]
    rows = {(r.case, r.metric): r for r in measure(suite, "base", scores)}
    assert len(rows) == 2 * len(suite.cases)
    assert rows[first.id, "motion"].reason == "no clip for this case"
    assert rows[second.id, "motion"].reason == "not scored"
    assert rows[rest[0].id, "motion"].value == 0.5


def test_metrics_that_no_case_was_scored_for_are_left_out(suite):
    rows = measure(suite, "base", {suite.cases[0].id: [score("motion", 0.5)]})
    assert {row.metric for row in rows} == {"motion"}


def test_a_missing_score_keeps_its_reason(suite):
    rows = measure(suite, "base", {suite.cases[0].id: [score("motion", math.nan)]})
    assert rows[0].reason == "no face in any of 25 frames"


def test_the_latest_score_counts(suite):
    rows = measure(suite, "b", {suite.cases[0].id: [score("motion", 0.1), score("motion", 0.9)]})
    assert rows[0].value == 0.9


@pytest.mark.parametrize(("offset", "hit"), [(-1, 1), (0, 1), (1, 1), (2, 0), (-5, 0)])
def test_an_offset_counts_as_in_sync_within_one_frame(suite, offset, hit):
    rows = measure(suite, "base", {suite.cases[0].id: [score("sync_offset", offset)]})
    assert (rows[0].metric, rows[0].value) == ("offset_within_1", hit)


def test_an_unknown_offset_is_missing_not_out_of_sync(suite):
    rows = measure(suite, "base", {suite.cases[0].id: [score("sync_offset", math.nan)]})
    assert math.isnan(rows[0].value)


def test_cases_of_another_suite_are_refused(suite):
    with pytest.raises(MeasurementError, match="not in suite"):
        measure(suite, "base", {"elsewhere": [score("motion", 0.5)]})


def test_two_versions_of_a_reward_are_refused():
    assert reward_versions([score("motion", 0.5)] * 2) == {
        "motion": {"version": "1", "weights": "w1"}
    }
    with pytest.raises(MeasurementError, match="two versions"):
        reward_versions([score("motion", 0.5), score("motion", 0.5, weights="w2")])


def test_value_and_reason_exclude_each_other():
    with pytest.raises(MeasurementError, match="finite, or NaN with a reason"):
        Measurement(system="a", case="1", identity="a", metric="motion", value=math.nan)
