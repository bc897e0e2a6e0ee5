"""Intervals over people.

Cases of one person are not independent, so every interval treats the person as the unit: the
variance is the delete-one-person jackknife (CR3; Bell and McCaffrey 2002, MacKinnon, Nielsen and
Webb 2023) and the reference distribution is t with people - 1 degrees of freedom. With as many
cases of each person it equals the t interval of the per-person means. It needs no random
numbers; `tests/benchmark/test_statistics.py` measures its coverage. `testing` tests with the same
error and the same distribution.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over the cases that have a value, with its 95 % interval over people.

    Attributes:
        value: the mean; NaN where no case has a value.
        low: lower end of the interval; NaN where fewer than two people have a value.
        high: upper end.
        cases: how many cases were asked for, those without a value included.
        missing: how many of them have no value (NaN) and are not in the mean.
        people: how many people are behind the value.
        error: standard error of the value; NaN where fewer than two people have a value.

    """

    value: float
    low: float
    high: float
    cases: int
    missing: int
    people: int
    error: float


People = Sequence[str] | np.ndarray  # names, or codes from 0


def mean_estimate(values: Sequence[float] | np.ndarray, people: People) -> Estimate:
    """Mean of `values` with the interval of the delete-one-person jackknife.

    Args:
        values: one number a case, NaN = missing.
        people: who each case shows; the same length.

    Raises:
        ValueError: the lengths differ, or a value is infinite.

    """
    sums, counts, missing = _per_person(values, people)
    value = _ratio(sums.sum(), counts.sum())
    error = _error(sums, counts)
    half = _reach(len(counts)) * error
    return Estimate(
        value=value,
        low=value - half,
        high=value + half,
        cases=len(values),
        missing=missing,
        people=len(counts),
        error=error,
    )


def share_estimate(hits: Sequence[float] | np.ndarray, people: People) -> Estimate:
    """Share of cases that are 1, with an interval that stays inside [0, 1].

    A Wilson score interval on the effective number of cases, p (1 - p) / var, with the jackknife
    variance over people and its degrees of freedom (Korn and Graubard 1998; Dean and Pagano
    2015). Where all cases agree, each person counts as one trial, so that 48 hits of 24 people
    are not "100 % for certain".

    Args:
        hits: 0 or 1 a case, NaN = missing.
        people: who each case shows; the same length.

    Raises:
        ValueError: the lengths differ, or a value is neither 0, 1 nor NaN.

    """
    known = np.asarray(hits, float)
    if not np.isin(known[~np.isnan(known)], (0.0, 1.0)).all():
        raise ValueError("a share is taken of zeros and ones")
    sums, counts, missing = _per_person(hits, people)
    share, persons = _ratio(sums.sum(), counts.sum()), len(counts)
    low = high = math.nan
    error = _error(sums, counts)
    if persons >= 2:
        z = float(norm.ppf((1 + LEVEL) / 2))
        trials = _effective_trials(share, counts, _reach(persons) * error)
        low, high = wilson_interval(share, trials, z)
    return Estimate(
        value=share,
        low=low,
        high=high,
        cases=len(hits),
        missing=missing,
        people=persons,
        error=error,
    )


def paired_difference(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, people: People
) -> Estimate:
    """Mean of a - b over the cases that have a value in both, with its interval over people.

    Args:
        a: one number a case, NaN = missing.
        b: the same cases in the same order.
        people: who each case shows.

    Returns:
        An estimate whose `missing` counts the cases that lack a value on either side.

    Raises:
        ValueError: the lengths differ, or a value is infinite.

    """
    if len(a) != len(b):
        raise ValueError(f"paired sides must cover the same cases, got {len(a)} and {len(b)}")
    return mean_estimate(np.asarray(a, float) - np.asarray(b, float), people)


def _per_person(
    values: Sequence[float] | np.ndarray, people: People
) -> tuple[np.ndarray, np.ndarray, int]:
    """Sum and count of the known values of each person who has any, and how many are missing."""
    if len(values) != len(people):
        raise ValueError(f"one person a value is needed, got {len(people)} for {len(values)}")
    numbers = np.asarray(values, float)
    if np.isinf(numbers).any():
        raise ValueError("an infinite value can't be averaged")
    known = ~np.isnan(numbers)
    who = np.asarray(people) if isinstance(people, np.ndarray) else np.asarray(people, str)
    if who.dtype.kind not in "iu":
        who = np.unique(who, return_inverse=True)[1]
    counts = np.bincount(who[known]).astype(float)
    sums = np.bincount(who[known], weights=numbers[known])
    there = counts > 0
    return sums[there], counts[there], int((~known).sum())


def _error(sums: np.ndarray, counts: np.ndarray) -> float:
    """Jackknife standard error; NaN with fewer than two people."""
    return math.sqrt(jackknife_variance(sums, counts)) if len(counts) > 1 else math.nan


def _reach(people: int) -> float:
    """How many standard errors the interval goes to either side."""
    return float(t.ppf((1 + LEVEL) / 2, people - 1)) if people > 1 else math.nan


def jackknife_variance(sums: np.ndarray, counts: np.ndarray) -> float:
    """Variance of the mean of all values when each of two clusters or more is left out once.

    Args:
        sums: of each cluster's values.
        counts: how many values each cluster has, at least one.

    """
    without = (sums.sum() - sums) / (counts.sum() - counts)
    mean = sums.sum() / counts.sum()
    return float((len(counts) - 1) / len(counts) * ((without - mean) ** 2).sum())


def _effective_trials(share: float, counts: np.ndarray, half: float) -> float:
    """How many independent trials would give the share an interval as wide as the people do."""
    spread = share * (1 - share)
    if spread == 0 or half == 0:
        return float(len(counts))
    z = float(norm.ppf((1 + LEVEL) / 2))
    return min(float(counts.sum()), spread * (z / half) ** 2)


def wilson_interval(share: float, trials: float, z: float) -> tuple[float, float]:
    """Wilson (1927) score interval of a share in so many independent trials, whole or not."""
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * math.sqrt(share * (1 - share) / trials + (z / trials / 2) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)


def _ratio(total: float, count: float) -> float:
    return float(total / count) if count else math.nan
