"""Shares of right answers: intervals, d', and tests against chance."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import binom, binomtest, norm, t

from likeness.benchmark.statistics import jackknife_variance, wilson_interval

LEVEL = 0.95
CHANCE = 0.5

Interval = tuple[float, float]


def wilson(right: int, trials: int) -> Interval:
    """Wilson's (1927) score interval of independent trials."""
    found = binomtest(right, trials).proportion_ci(LEVEL, method="wilson")
    return float(found.low), float(found.high)


def clopper_pearson(right: int, trials: int) -> Interval:
    """Clopper and Pearson's (1934) exact interval of independent trials."""
    found = binomtest(right, trials).proportion_ci(LEVEL, method="exact")
    return float(found.low), float(found.high)


@dataclass(frozen=True, kw_only=True)
class Clustered:
    """How far a share would move with other raters and other cases.

    Attributes:
        share: of right answers.
        error: standard error; NaN where one rater answered one case.
        freedom: degrees of freedom of the error (Satterthwaite 1946).
        trials: independent answers that would tell as much.

    """

    share: float
    error: float
    freedom: float
    trials: float

    def interval(self, level: float = LEVEL) -> Interval:
        """Wilson's interval at the number of independent answers, (NaN, NaN) without an error.

        Where the error is 0 because all answers are alike, each rater, or each case where these
        are fewer, counts as one trial.
        """
        if math.isnan(self.error):
            return math.nan, math.nan
        z = float(norm.ppf((1 + level) / 2))
        reach = float(t.ppf((1 + level) / 2, self.freedom))
        trials = self.trials * (z / reach) ** 2 if self.error else self.trials
        return wilson_interval(self.share, trials, z)


def clustered(correct: np.ndarray, rater: np.ndarray, case: np.ndarray) -> Clustered:
    """Share of right answers, with the error over raters and cases.

    Both are samples: the variances of delete-one jackknives over raters and over cases are added,
    and that over single answers, which is in both, is taken off (Cameron, Gelbach and Miller
    2011; for balanced answers the two-way random-effects variance), but never below the larger.

    Args:
        correct: (N,) bool.
        rater: (N,) codes.
        case: (N,) codes.

    """
    hits = correct.astype(float)
    share = float(hits.mean())
    over_raters, raters = _jackknife(hits, rater)
    over_cases, cases = _jackknife(hits, case)
    alone = share * (1 - share) / max(len(hits) - 1, 1)
    few = min((count for count in (raters, cases) if count > 1), default=1)
    if few == 1:
        return Clustered(share=share, error=math.nan, freedom=math.nan, trials=math.nan)
    if raters == 1 or cases == 1:
        variance, freedom = (over_cases, cases - 1) if raters == 1 else (over_raters, raters - 1)
    else:
        both = over_raters + over_cases - alone
        variance = max(over_raters, over_cases, both)
        squares = over_raters**2 / (raters - 1) + over_cases**2 / (cases - 1)
        squares += alone**2 / max((raters - 1) * (cases - 1), 1)
        freedom = max(variance**2 / squares, few - 1) if squares else few - 1
    trials = share * (1 - share) / variance if variance else float(few)
    return Clustered(share=share, error=math.sqrt(variance), freedom=float(freedom), trials=trials)


def _jackknife(hits: np.ndarray, cluster: np.ndarray) -> tuple[float, int]:
    """Variance of the mean when whole clusters are left out, and how many there are."""
    _, of = np.unique(cluster, return_inverse=True)
    counts = np.bincount(of)
    size = len(counts)
    if size < 2:
        return math.nan, size
    return jackknife_variance(np.bincount(of, weights=hits), counts), size


def d_prime(share: float) -> float:
    """Sensitivity of a choice between two, sqrt(2) z(share) (Green and Swets 1966)."""
    return math.sqrt(2) * float(norm.ppf(share))


def short_of_certain(share: float, trials: int) -> float:
    """Move a share of 0 or 1 half an answer inwards, so that its d' is finite."""
    return min(max(share, 0.5 / trials), 1 - 0.5 / trials)


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Two one-sided tests (Schuirmann 1987) that a share is near chance.

    Attributes:
        margin: how far from 0.5 still counts as chance.
        p: of the exact binomial tests, as if answers were independent.
        p_clustered: of t tests with the error over raters and cases; NaN where there is none.
        alpha: level of each one-sided test.
        equivalent: whether both p values are below alpha.

    """

    margin: float
    p: float
    p_clustered: float
    alpha: float
    equivalent: bool


def equivalence(
    found: Clustered, right: int, trials: int, margin: float, alpha: float
) -> Equivalence:
    """Test whether the share of right answers is within `margin` of one half."""
    low, high = CHANCE - margin, CHANCE + margin
    p = max(float(binom.sf(right - 1, trials, low)), float(binom.cdf(right, trials, high)))
    p_clustered = math.nan
    if found.error > 0:
        above = (found.share - low) / found.error
        below = (high - found.share) / found.error
        p_clustered = float(t.sf(min(above, below), found.freedom))
    return Equivalence(
        margin=margin,
        p=p,
        p_clustered=p_clustered,
        alpha=alpha,
        equivalent=p < alpha and p_clustered < alpha,
    )
