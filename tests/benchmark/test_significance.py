"""Tests and corrections against scipy, statsmodels and published examples."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from likeness.benchmark.significance import above, holm, rank_intervals, two_sided
from likeness.benchmark.statistics import mean_estimate, paired_difference

# Student (1908), "The probable error of a mean": hours of sleep that two drugs add to ten people.
DEXTRO = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
LAEVO = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_students_sleep_gives_the_published_t_test():
    people = [f"p{i}" for i in range(10)]
    found = paired_difference(LAEVO, DEXTRO, people)
    assert found.value == pytest.approx(1.58)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert found.value / found.error == pytest.approx(4.0621, abs=1e-4)
    assert two_sided(found) == pytest.approx(0.002833, abs=1e-6)


def test_a_case_each_is_the_paired_t_test_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.2, 1, 30), rng.normal(0, 1, 30)
    found = paired_difference(a, b, [f"p{i}" for i in range(30)])
    assert two_sided(found) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    one_sided = stats.ttest_rel(a, b, alternative="greater").pvalue
    assert above(found.value, found.error, found.people) == pytest.approx(one_sided)


def test_several_cases_each_are_the_test_of_the_means():
    rng = np.random.default_rng(1)
    values = rng.normal(0.1, 1, (12, 4))
    found = mean_estimate(values.ravel(), np.repeat(np.arange(12), 4))
    assert two_sided(found) == pytest.approx(stats.ttest_1samp(values.mean(1), 0).pvalue)


def test_a_sign_flip_of_people_agrees():
    rng = np.random.default_rng(2)
    values = rng.normal(0.3, 1, 12)
    found = mean_estimate(values, np.arange(12))
    exact = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert two_sided(found) == pytest.approx(exact, abs=0.02)


def test_people_who_agree_to_the_bit_are_counted_not_measured():
    people = list("abcde")
    assert two_sided(mean_estimate([0.5] * 5, people)) == 2 / 2**5
    assert two_sided(mean_estimate([0.0] * 5, people)) == 1.0
    assert above(0.5, 0.0, 5) == 1 / 2**5 and above(-0.5, 0.0, 5) == 1.0
    assert math.isnan(two_sided(mean_estimate([0.5], ["a"])))


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(3).random(20) ** 3
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1].tolist())


def test_holm_does_a_worked_example():
    # Wikipedia, "Holm-Bonferroni method": of four tests, two are rejected at 0.05.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_what_was_not_tested_is_no_part_of_the_family():
    assert holm([0.02, math.nan, 0.04]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)
    assert holm([]) == []


def test_ranks_are_what_the_tests_leave_open():
    gains = {("a", "b"): (0.1, 0.5), ("a", "c"): (0.4, 0.001), ("b", "c"): (0.3, 0.002)}
    assert rank_intervals("abc", gains) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    unknown = dict.fromkeys(gains, (math.nan, math.nan))
    assert set(rank_intervals("abc", unknown).values()) == {(1, 3)}


@pytest.mark.slow
def test_rank_intervals_hold_together_95_times_in_100():
    from likeness.benchmark.cells import rows_of
    from likeness.benchmark.grid import Grid
    from likeness.benchmark.measurements import Measurement

    truth = {"a": 0.72, "b": 0.70, "c": 0.70, "d": 0.66}
    best = {"a": (1, 1), "b": (2, 3), "c": (2, 3), "d": (4, 4)}
    held = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        rows = [
            Measurement(system=s, case=f"{i}", identity=f"p{i // 2}", metric="motion", value=value)
            for s, mean in truth.items()
            for i, value in enumerate(mean + rng.normal(0, 0.05, 40) + np.repeat(
                rng.normal(0, 0.03, 20), 2))
        ]  # fmt: skip
        found = {
            row.system: (row.rank_low, row.rank_high) for row in rows_of(Grid(rows), "motion", 1)
        }
        held += all(found[s][0] <= low and found[s][1] >= high for s, (low, high) in best.items())
    assert held / 300 >= 0.93
