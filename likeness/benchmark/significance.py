"""Tests between systems: t over people, Holm's correction, and what both leave open of ranks."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t

from likeness.benchmark.statistics import Estimate

ALPHA = 0.05


def two_sided(estimate: Estimate) -> float:
    """Chance of an estimate at least so far from 0, were it 0 in truth; NaN without an interval.

    t with people - 1 degrees of freedom, as the interval is. Where all people agree to the last
    bit t has no scale, and the sign test's 2 / 2^people is given.
    """
    if math.isnan(estimate.error):
        return math.nan
    if estimate.error == 0:
        return 1.0 if estimate.value == 0 else 2.0 ** (1 - estimate.people)
    return float(2 * t.sf(abs(estimate.value) / estimate.error, estimate.people - 1))


def above(value: float, error: float, people: int) -> float:
    """Chance of a value at least so high, were it 0 in truth: the one-sided form of the same."""
    if math.isnan(error):
        return math.nan
    if error == 0:
        return 2.0**-people if value > 0 else 1.0
    return float(t.sf(value / error, people - 1))


def holm(chances: Sequence[float]) -> list[float]:
    """Adjust p values so that any error among them is as rare as one (Holm 1979).

    NaN stays NaN and is no test of the family.
    """
    raw = np.asarray(chances, float)
    known = np.flatnonzero(~np.isnan(raw))
    order = known[np.argsort(raw[known], kind="stable")]
    adjusted = np.full(len(raw), math.nan)
    steps = np.maximum.accumulate(raw[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted.tolist()


def rank_intervals(
    systems: Sequence[str], gains: Mapping[tuple[str, str], tuple[float, float]]
) -> dict[str, tuple[int, int]]:
    """Give the best and worst rank that tests between all pairs leave open to each system.

    One more than the systems shown to be better, and as many as are not shown to be worse. With
    Holm's correction over all pairs the intervals of all systems hold together at 95 %.

    Args:
        systems: what is ranked.
        gains: (a, b) -> by how much a is better than b, and the p value before correction.

    """
    adjusted = dict(zip(gains, holm([p for _, p in gains.values()]), strict=True))
    better = dict.fromkeys(systems, 0)
    worse = dict.fromkeys(systems, 0)
    for (a, b), p in adjusted.items():
        if p <= ALPHA:
            first, second = (a, b) if gains[a, b][0] > 0 else (b, a)
            worse[first] += 1
            better[second] += 1
    return {name: (1 + better[name], len(systems) - worse[name]) for name in systems}
