"""The Turing test's analysis against scipy, statsmodels, closed forms and planted truth."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit
from statsmodels.stats.proportion import binom_tost, proportion_confint

from likeness.benchmark.studies.answers import Answers, StudyError, read_answers
from likeness.benchmark.studies.mixed import mixed_model
from likeness.benchmark.studies.proportions import clustered, d_prime, equivalence
from likeness.benchmark.studies.turing import analyse, fooled, position
from likeness.store.sheets import SheetError


def answers_of(right: np.ndarray, real_left: np.ndarray | None = None) -> Answers:
    """Take a table (raters, cases) of right answers, each rater seeing each case."""
    raters, cases = right.shape
    rater, case = (codes.ravel() for codes in np.indices(right.shape))
    real = (rater + case) % 2 == 0 if real_left is None else real_left.ravel()
    return Answers(
        raters=tuple(f"r{i:02d}" for i in range(raters)),
        cases=tuple(f"c{i:03d}" for i in range(cases)),
        rater=rater,
        case=case,
        real_left=real,
        chose_left=np.where(right.ravel(), real, ~real),
        checks=np.zeros((raters, 2), int),
    )


@pytest.fixture
def planted() -> Answers:
    """Three raters of .95, .95 and .43, whose mean is the paper's .778, on 300 cases."""
    rng = np.random.default_rng(0)
    return answers_of(rng.random((3, 300)) < np.array([[0.95], [0.95], [0.434]]))


def test_the_intervals_of_independent_answers_are_statsmodels():
    found = analyse(answers_of(np.random.default_rng(9).random((4, 9)) < 0.7))
    hits, trials = found["correct"], found["answers"]
    for key, method in (("wilson", "wilson"), ("clopper_pearson", "beta")):
        theirs = proportion_confint(hits, trials, method=method)
        assert found[f"accuracy_{key}"] == pytest.approx(theirs)
    assert found["accuracy"] == hits / trials
    assert found["p_chance"] == pytest.approx(stats.binomtest(hits, trials).pvalue)


def test_equivalence_is_statsmodels():
    rng = np.random.default_rng(1)
    for chance in (0.5, 0.53, 0.7):
        right = rng.random((20, 80)) < chance
        answers = answers_of(right)
        error = clustered(answers.correct, answers.rater, answers.case)
        found = equivalence(error, int(right.sum()), right.size, 0.06, 0.05)
        theirs, *_ = binom_tost(int(right.sum()), right.size, 0.44, 0.56)
        assert found.p == pytest.approx(theirs, abs=1e-12)
        assert found.equivalent == (max(found.p, found.p_clustered) < 0.05)


def test_not_different_from_chance_is_not_equivalent_to_it():
    right = np.tile([[True, False]], (4, 5))
    found = analyse(answers_of(right))
    assert found["p_chance"] > 0.5 and not found["equivalence"]["equivalent"]


def test_d_prime_of_the_facts():
    assert d_prime(0.5) == 0
    assert d_prime(stats.norm.cdf(1 / math.sqrt(2))) == pytest.approx(1)
    # 2 alternatives: signal and noise of unit variance, the larger is chosen.
    assert stats.norm.cdf(d_prime(0.778) / math.sqrt(2)) == pytest.approx(0.778)


def test_unequal_raters_fool_more_cases_than_equal_ones_would(planted):
    found = fooled(planted)
    wrong = (~planted.correct).reshape(3, 300)
    assert found["fooled_any"] == wrong.any(0).mean()
    assert found["fooled_majority"] == (wrong.sum(0) >= 2).mean()
    right = planted.correct.reshape(3, 300)
    accuracy, own = right.mean(), right.mean(1)
    assert found["expected_fooled_any"] == pytest.approx(1 - accuracy**3)
    assert found["expected_fooled_any_unequal"] == pytest.approx(1 - math.prod(own))
    assert found["ceiling_fooled_any"] == pytest.approx(3 * (1 - accuracy))
    miss = 1 - accuracy
    assert found["expected_fooled_majority"] == pytest.approx(3 * accuracy * miss**2 + miss**3)
    assert found["fooled_any"] == pytest.approx(0.61, abs=0.05)
    assert found["expected_fooled_any"] == pytest.approx(0.529, abs=0.04)


def test_a_planted_position_bias_is_found_and_taken_out_of_d_prime():
    rng = np.random.default_rng(2)
    real_left = rng.random((30, 100)) < 0.7  # not balanced, so that the share of left misleads
    lead = np.where(real_left, 1.2, -1.2) / math.sqrt(2) + 0.5
    chose = rng.random(real_left.shape) < stats.norm.cdf(lead)
    found = position(answers_of(chose == real_left, real_left))
    truth = np.mean(stats.norm.cdf([1.2 / math.sqrt(2) + 0.5, -1.2 / math.sqrt(2) + 0.5])) - 0.5
    assert found["position_bias"] == pytest.approx(truth, abs=0.03)
    low, high = found["position_bias_interval"]
    assert low < truth < high
    assert found["d_prime_without_bias"] == pytest.approx(1.2, abs=0.12)


def test_the_clustered_error_is_the_two_way_variance_in_closed_form():
    rng = np.random.default_rng(3)
    right = rng.random((12, 40)) < expit(rng.normal(0.5, 1, (12, 1)) + rng.normal(0, 1, 40))
    answers = answers_of(right)
    found = clustered(answers.correct, answers.rater, answers.case)
    raters, cases = right.mean(1).var(ddof=1) / 12, right.mean(0).var(ddof=1) / 40
    alone = right.mean() * (1 - right.mean()) / (right.size - 1)
    assert found.error == pytest.approx(math.sqrt(raters + cases - alone))
    low, high = found.interval()
    assert 0 < low < found.share < high < 1


def test_planted_deviations_of_raters_and_cases_are_recovered():
    rng = np.random.default_rng(4)
    centre = 0.8 + rng.normal(0, 0.8, (24, 1)) + rng.normal(0, 0.5, 40)
    found = mixed_model(answers_of(rng.random((24, 40)) < expit(centre)))
    assert found.rater_sd == pytest.approx(0.8, abs=0.3)
    assert found.case_sd == pytest.approx(0.5, abs=0.25)
    assert found.mean == pytest.approx(0.8, abs=0.4)
    assert found.low < found.accuracy < found.high


@pytest.mark.parametrize(("right", "word"), [(True, "right"), (False, "wrong")])
def test_answers_all_right_or_all_wrong_stay_finite_and_are_told_of(right, word):
    found = analyse(answers_of(np.full((4, 10), right)))
    assert found["accuracy"] == float(right) and found["d_prime_corrected"]
    assert math.isfinite(found["d_prime"]) and math.copysign(1, found["d_prime"]) == 2 * right - 1
    low, high = found["accuracy_clustered"]
    assert (low, high) == pytest.approx((0.51, 1) if right else (0, 0.49), abs=0.01)
    assert found["mixed_model"]["reason"] == f"every answer is {word}"
    assert any(word in note for note in found["notes"])


def test_one_rater_and_one_case():
    rng = np.random.default_rng(5)
    rater = analyse(answers_of(rng.random((1, 12)) < 0.7))
    assert any("one rater" in note for note in rater["notes"])
    assert math.isfinite(rater["accuracy_clustered"][0])
    case = analyse(answers_of(rng.random((12, 1)) < 0.7))
    assert any("one case" in note for note in case["notes"])
    both = analyse(answers_of(np.array([[True]])))
    assert math.isnan(both["accuracy_clustered"][0]) and not both["equivalence"]["equivalent"]
    assert both["mixed_model"]["reason"]


def test_who_always_says_left_is_named():
    real = np.tile([True, False], (3, 10))
    chose = real.copy()
    chose[1] = True
    found = analyse(answers_of(chose == real, real))
    assert any("r01" in note for note in found["notes"])
    assert found["per_rater"][1]["left_share"] == 1


COLUMNS = ["rater", "case", "real_side", "chosen"]


def written(path: Path, rows: list[tuple], columns: list[str] = COLUMNS) -> Path:
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def test_attention_checks_are_kept_apart_and_give_the_lapse(tmp_path):
    rows = [("a", f"c{i}", "left", "left", 0) for i in range(6)]
    rows += [("a", f"k{i}", "left", "left" if i else "right", 1) for i in range(8)]
    answers = read_answers(written(tmp_path / "a.csv", rows, [*COLUMNS, "check"]))
    (rater,) = analyse(answers)["per_rater"]
    assert (rater["answers"], rater["checks"], rater["checks_failed"]) == (6, 8, 1)
    assert rater["lapse"] == 0.25  # one of eight wrong: a guess is right as often as wrong


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", "c", "left", "middle")], "chosen of row 1 is 'middle'"),
        ([("a", "c", "top", "left")], "real_side of row 1 is 'top'"),
        ([("a", "c", "left", None)], "chosen of row 1"),
        ([("a", None, "left", "left")], "row 1 has no case"),
        ([("a", "c", "left", "left"), ("a", "c", "left", "right")], "more than once"),
        ([], "no answer"),
    ],
)
def test_bad_answers_are_told_in_one_line(tmp_path, rows, expected):
    with pytest.raises(StudyError, match=expected):
        read_answers(written(tmp_path / "bad.csv", rows))


def test_a_missing_column_and_a_margin_without_meaning_are_refused(tmp_path, planted):
    with pytest.raises(SheetError, match="lacks column chosen"):
        read_answers(written(tmp_path / "a.csv", [("a", "c", "left")], COLUMNS[:3]))
    with pytest.raises(StudyError, match="between 0 and"):
        analyse(planted, margin=0.7)


@pytest.mark.slow
@pytest.mark.parametrize(("raters", "cases"), [(24, 40), (8, 60), (20, 12)])
def test_the_clustered_interval_covers_95_times_in_100(raters, cases):
    rng = np.random.default_rng(6)
    draws = rng.normal(1.0, math.hypot(0.7, 0.6), 400_000)
    truth = float(expit(draws).mean())
    rater, case = (codes.ravel() for codes in np.indices((raters, cases)))
    inside = 0
    for _ in range(1500):
        centre = 1.0 + rng.normal(0, 0.7, (raters, 1)) + rng.normal(0, 0.6, cases)
        right = rng.random((raters, cases)) < expit(centre)
        low, high = clustered(right.ravel(), rater, case).interval()
        inside += low <= truth <= high
    assert 0.93 <= inside / 1500 <= 0.97
