"""Numbers of raters and cases against scipy and against the analysis itself."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.power import (
    Plan,
    answers_needed,
    exact_power,
    needs,
    simulated_power,
)


def test_the_exact_power_is_that_of_counting_every_outcome():
    plan = Plan(aim="difference", accuracy=0.7)
    shown = sum(
        stats.binom.pmf(k, 50, 0.7) for k in range(51) if stats.binomtest(k, 50).pvalue < 0.05
    )
    assert exact_power(plan, 50) == pytest.approx(shown)


def test_the_answers_needed_are_near_the_normal_formula():
    # Two one-sided tests at the middle: n = (z(.95) + z(.9))^2 / 4 / margin^2.
    z = stats.norm.ppf(0.95) + stats.norm.ppf(0.9)
    found = answers_needed(Plan(margin=0.05, power=0.8))
    assert found == pytest.approx(z**2 / 4 / 0.05**2, rel=0.05)
    assert exact_power(Plan(), found) >= 0.8


def test_a_wider_margin_takes_fewer_answers():
    assert answers_needed(Plan(margin=0.1)) < answers_needed(Plan(margin=0.05)) / 3


def test_without_differences_the_simulation_agrees_with_the_binomial():
    plan = Plan(aim="difference", accuracy=0.56, rater_sd=0, case_sd=0)
    found = simulated_power(plan, 20, 40, 400, np.random.default_rng(0))
    assert found == pytest.approx(exact_power(plan, 800), abs=0.08)


def test_the_planned_accuracy_is_that_over_raters_and_cases():
    from likeness.benchmark.studies.power import centre_of

    plan = Plan(aim="difference", accuracy=0.8, rater_sd=1.0, case_sd=0.7)
    draws = np.random.default_rng(0).normal(centre_of(plan), np.hypot(1.0, 0.7), 400_000)
    assert expit(draws).mean() == pytest.approx(0.8, abs=0.003)


def test_more_raters_need_fewer_cases_and_differences_cost():
    plan = Plan(aim="difference", accuracy=0.65, rater_sd=0.4, case_sd=0.6)
    few, many = needs(plan, (6, 24), 100, np.random.default_rng(0))
    assert few.cases is not None and many.cases is not None
    assert few.cases > many.cases >= many.independent
    assert few.power >= 0.8 and many.power >= 0.8


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"accuracy": 0.6}, "not within 0.05 of one half"),
        ({"margin": 0.5}, "margin must lie"),
        ({"aim": "difference"}, "no difference"),
        ({"aim": "win"}, "aim must be one of"),
        ({"power": 1.0}, "power must lie"),
        ({"rater_sd": -1.0}, "can't be negative"),
    ],
)
def test_plans_that_nothing_can_fulfil_are_refused(settings, expected):
    with pytest.raises(StudyError, match=expected):
        Plan(**settings)


def test_one_rater_stands_for_nobody():
    with pytest.raises(StudyError, match="two raters"):
        needs(Plan(), (1,), 50, np.random.default_rng(0))
