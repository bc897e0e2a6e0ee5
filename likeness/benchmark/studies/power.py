"""How many raters and cases a Turing test takes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import binom, t

from likeness.benchmark.studies.answers import StudyError

AIMS = ("equivalence", "difference")
RATERS = (3, 6, 12, 24, 48)

_MOST_ANSWERS = 1_000_000
_MOST_CASES = 2000
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(31)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A question to a test.

    Attributes:
        aim: equivalence: show that the accuracy is within `margin` of one half; difference:
            show that it is not one half.
        accuracy: what it really is, over raters and cases.
        margin: of the equivalence.
        power: chance of showing it that is wanted.
        alpha: level of the test: of each one-sided test of equivalence, two-sided of a difference.
        rater_sd: standard deviation of raters' log-odds.
        case_sd: that of cases.

    """

    aim: str = "equivalence"
    accuracy: float = 0.5
    margin: float = 0.05
    power: float = 0.8
    alpha: float = 0.05
    rater_sd: float = 0.4
    case_sd: float = 0.6

    def __post_init__(self) -> None:
        """Refuse what no number of answers can show."""
        if self.aim not in AIMS:
            raise StudyError(f"aim must be one of {', '.join(AIMS)}, got {self.aim!r}")
        for name in ("accuracy", "power", "alpha"):
            if not 0 < getattr(self, name) < 1:
                raise StudyError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        if not 0 < self.margin < 0.5:
            raise StudyError(f"margin must lie between 0 and 0.5, got {self.margin}")
        if min(self.rater_sd, self.case_sd) < 0:
            raise StudyError("standard deviations can't be negative")
        if self.aim == "equivalence" and abs(self.accuracy - 0.5) >= self.margin:
            raise StudyError(
                f"an accuracy of {self.accuracy} is not within {self.margin} of one half: no "
                "number of answers shows that it is"
            )
        if self.aim == "difference" and self.accuracy == 0.5:
            raise StudyError("an accuracy of one half is no difference to be shown")


def exact_power(plan: Plan, answers: int) -> float:
    """Chance that the exact binomial test of independent answers shows it."""
    right = np.arange(answers + 1)
    if plan.aim == "equivalence":
        above = binom.sf(right - 1, answers, 0.5 - plan.margin) < plan.alpha
        below = binom.cdf(right, answers, 0.5 + plan.margin) < plan.alpha
        shown = above & below
    else:
        tail = binom.cdf(np.minimum(right, answers - right), answers, 0.5)
        shown = 2 * tail < plan.alpha
    return float(binom.pmf(right[shown], answers, plan.accuracy).sum())


def answers_needed(plan: Plan) -> int:
    """Fewest independent answers from which on the exact test has the power.

    The power of an exact test goes up in a saw: the count is such that it and the 20 after it
    suffice.

    Raises:
        StudyError: a million would not do.

    """
    high = 16
    while exact_power(plan, high) < plan.power:
        high *= 2
        if high > _MOST_ANSWERS:
            raise StudyError(f"more than {_MOST_ANSWERS:,} answers; take a wider margin")
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        fine = all(exact_power(plan, middle + i) >= plan.power for i in range(0, 21, 4))
        low, high = (low, middle) if fine else (middle, high)
    return high


def simulated_power(
    plan: Plan, raters: int, cases: int, studies: int, rng: np.random.Generator
) -> float:
    """Share of simulated studies that show it, each rater seeing each case.

    The test is the clustered one of the analysis; log-odds are those of the accuracy over raters
    and cases, with normal effects of both.
    """
    centre = centre_of(plan)
    shown = 0
    for _ in range(studies):
        effects = rng.normal(0, plan.rater_sd, (raters, 1)) + rng.normal(0, plan.case_sd, cases)
        right = rng.random((raters, cases)) < expit(centre + effects)
        shown += _shows(plan, right)
    return shown / studies


def centre_of(plan: Plan) -> float:
    """Log-odds of an average rater and case, whose accuracy over both is the plan's."""
    spread = float(np.hypot(plan.rater_sd, plan.case_sd))

    def off(centre: float) -> float:
        mean = (_WEIGHTS * expit(centre + spread * _NODES)).sum() / _WEIGHTS.sum()
        return float(mean - plan.accuracy)

    wide = 30 * (1 + spread)
    if not spread:
        return float(logit(plan.accuracy))
    found: Any = brentq(off, -wide, wide)
    return float(found)


def _shows(plan: Plan, right: np.ndarray) -> bool:
    """Whether the clustered test of the analysis shows it, in closed form for full tables."""
    raters, cases = right.shape
    share = right.mean()
    over_raters = right.mean(1).var(ddof=1) / raters
    over_cases = right.mean(0).var(ddof=1) / cases
    alone = share * (1 - share) / (right.size - 1)
    variance = max(over_raters, over_cases, over_raters + over_cases - alone)
    if not variance:
        return False
    squares = over_raters**2 / (raters - 1) + over_cases**2 / (cases - 1)
    squares += alone**2 / ((raters - 1) * (cases - 1))
    freedom = max(variance**2 / squares, min(raters, cases) - 1)
    error = np.sqrt(variance)
    if plan.aim == "difference":
        return bool(2 * t.sf(abs(share - 0.5) / error, freedom) < plan.alpha)
    nearest = plan.margin - abs(share - 0.5)
    return bool(t.sf(nearest / error, freedom) < plan.alpha)


@dataclass(frozen=True, kw_only=True)
class Need:
    """Cases that so many raters must see.

    Attributes:
        raters: how many, each of whom sees each case.
        cases: fewest cases with the power; None where 2,000 are not enough.
        power: simulated power with these cases, or with 2,000.
        independent: cases that independent answers would take.

    """

    raters: int
    cases: int | None
    power: float
    independent: int


def needs(
    plan: Plan, raters: tuple[int, ...], studies: int, rng: np.random.Generator
) -> list[Need]:
    """Find the cases for each number of raters, by simulation.

    Raises:
        StudyError: fewer than two raters, whose differences can't be told.

    """
    if min(raters) < 2:
        raise StudyError("a test needs two raters at least: one can't stand for all people")
    answers = answers_needed(plan)
    return [_need(plan, count, answers, studies, rng) for count in raters]


def _need(plan: Plan, raters: int, answers: int, studies: int, rng: np.random.Generator) -> Need:
    independent = -(-answers // raters)
    low, high = 1, max(4, min(independent, _MOST_CASES))
    power = simulated_power(plan, raters, high, studies, rng)
    while power < plan.power and high < _MOST_CASES:
        low, high = high, min(2 * high, _MOST_CASES)
        power = simulated_power(plan, raters, high, studies, rng)
    if power < plan.power:
        return Need(raters=raters, cases=None, power=power, independent=independent)
    while high - low > max(1, high // 20):
        middle = (low + high) // 2
        found = simulated_power(plan, raters, max(middle, 2), studies, rng)
        if found >= plan.power:
            high, power = middle, found
        else:
            low = middle
    return Need(raters=raters, cases=high, power=power, independent=independent)
