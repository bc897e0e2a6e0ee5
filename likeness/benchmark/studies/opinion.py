"""Mean opinion scores, as four recommendations make them of the same ratings."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from likeness.benchmark.studies.ratings import Ratings

LEVEL = 0.95

_CERTAIN = 1e-8  # added to a variance, as P.910 does
_STILL = 1e-8  # length of a step of the mean opinion scores that ends the search
_MOST_STEPS = 1000


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a method makes of ratings by I raters of J items.

    Attributes:
        mos: (J,) mean opinion scores; NaN without a rating.
        sos: (J,) standard deviation of each score as the method's own text has it: ratings that
            are independent once its raters' biases are known.
        bias: (I,) how much higher a rater's ratings are; NaN without a rating.
        inconsistency: (I,) standard deviation of what is left of the rater's ratings.
        rejected: (I,) bool, whether the rater's ratings were left out.

    """

    mos: np.ndarray
    sos: np.ndarray
    bias: np.ndarray
    inconsistency: np.ndarray
    rejected: np.ndarray


def plain(ratings: Ratings) -> Solution:
    """Mean of all ratings of an item."""
    mos = _mean(ratings.score, ratings.item, len(ratings.items))
    return _described(ratings, mos, np.zeros(len(ratings.raters), bool))


def p913(ratings: Ratings) -> Solution:
    """ITU-T P.913 (06/2021) clause 12.4: each rater's bias is taken off, then the mean."""
    mos = _mean(ratings.score, ratings.item, len(ratings.items))
    bias = _mean(ratings.score - mos[ratings.item], ratings.rater, len(ratings.raters))
    level = ratings.score - bias[ratings.rater]
    mos = _mean(level, ratings.item, len(ratings.items))
    none = np.zeros(len(ratings.raters), bool)
    return _described(ratings, mos, none, scores=level, bias=bias)


def p910(ratings: Ratings) -> Solution:
    """ITU-T P.910 (11/2021) Annex E, also P.913 clause 12.6.

    A rating is the item's score + the rater's bias + noise of the rater's inconsistency; all are
    found by maximum likelihood, by alternating projection (Li, Bampis, Krasula, Janowski and
    Katsavounidis 2020). Biases have mean 0.
    """
    items, raters = len(ratings.items), len(ratings.raters)
    mos = _mean(ratings.score, ratings.item, items)
    bias = _mean(ratings.score - mos[ratings.item], ratings.rater, raters)
    inconsistency = np.zeros(raters)
    for _ in range(_MOST_STEPS):
        left = ratings.score - mos[ratings.item] - bias[ratings.rater]
        inconsistency = _deviation(left, ratings.rater, raters)
        weight = (1 / (inconsistency**2 + _CERTAIN))[ratings.rater]
        before = mos
        mos = _mean(ratings.score - bias[ratings.rater], ratings.item, items, weight)
        bias = _mean(ratings.score - mos[ratings.item], ratings.rater, raters)
        if np.sqrt(np.nansum((mos - before) ** 2)) < _STILL:
            break
    shift = np.nanmean(bias)
    left = ratings.score - mos[ratings.item] - bias[ratings.rater]
    counts = np.bincount(ratings.item, minlength=items)
    with np.errstate(divide="ignore", invalid="ignore"):
        sos = _deviation(left, ratings.item, items) / np.sqrt(counts)
    return Solution(
        mos=mos + shift,
        sos=sos,
        bias=bias - shift,
        inconsistency=inconsistency,
        rejected=np.zeros(raters, bool),
    )


def bt500(ratings: Ratings) -> Solution:
    """ITU-R BT.500-14 annex 1, clause 2.3.1: outlying raters are left out, then the mean.

    A rating is outlying 2 standard deviations from its item's mean where the item's ratings are
    about normal (kurtosis 2 to 4), sqrt(20) elsewhere. A rater is left out with more than 5 %
    outlying ratings, on both sides alike (difference below 30 %). Nobody is where all would be.
    """
    items, raters = len(ratings.items), len(ratings.raters)
    mean = _mean(ratings.score, ratings.item, items)
    left = ratings.score - mean[ratings.item]
    second = _mean(left**2, ratings.item, items)
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = _mean(left**4, ratings.item, items) / second**2
    reach = np.where((kurtosis >= 2) & (kurtosis <= 4), 2.0, math.sqrt(20)) * np.sqrt(second)
    varies = second[ratings.item] > 0
    above = np.bincount(
        ratings.rater, weights=varies & (left >= reach[ratings.item]), minlength=raters
    )
    below = np.bincount(
        ratings.rater, weights=varies & (left <= -reach[ratings.item]), minlength=raters
    )
    out, counts = above + below, np.bincount(ratings.rater, minlength=raters)
    with np.errstate(divide="ignore", invalid="ignore"):
        rejected = (out / counts > 0.05) & (np.abs(above - below) / out < 0.3)
    if rejected[counts > 0].all():
        rejected[:] = False
    kept = ~rejected[ratings.rater]
    mos = _mean(ratings.score[kept], ratings.item[kept], items)
    return _described(ratings, mos, rejected)


METHODS: dict[str, Callable[[Ratings], Solution]] = {
    "p910": p910,
    "p913": p913,
    "bt500": bt500,
    "plain": plain,
}


def half_widths(ratings: Ratings, method: str) -> np.ndarray:
    """Half of each item's 95 % interval, over raters, (J,).

    Raters are a sample: each is left out in turn, and the method is done anew (jackknife), so
    that biases and inconsistencies count as estimated; whom `bt500` leaves out is taken as given,
    as its text does. t with the item's raters less one as degrees of freedom. For `plain` with
    one rating a rater it is the usual t interval. NaN where fewer than two raters rated the item,
    or where nothing varies.
    """
    if method == "bt500":
        ratings, method = ratings.without(bt500(ratings).rejected), "plain"
    solve, raters = METHODS[method], len(ratings.raters)
    pairs = np.unique(ratings.item.astype(np.int64) * raters + ratings.rater)
    seen = np.bincount(pairs // raters, minlength=len(ratings.items))
    if raters < 2:
        return np.full(len(ratings.items), math.nan)
    parts = np.stack(
        [solve(ratings.without(np.arange(raters) == rater)).mos for rater in range(raters)]
    )
    known = np.isfinite(parts)
    centre = np.where(known, parts, 0).sum(0) / np.maximum(known.sum(0), 1)
    squares = (np.where(known, parts - centre, 0) ** 2).sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = t.ppf((1 + LEVEL) / 2, seen - 1) * np.sqrt((seen - 1) / seen * squares)
    return np.where((seen >= 2) & (half > 1e-12), half, math.nan)


def _described(
    ratings: Ratings,
    mos: np.ndarray,
    rejected: np.ndarray,
    *,
    scores: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> Solution:
    """Complete a solution that is a mean of `scores`: the ratings, or these less biases."""
    items, raters = len(ratings.items), len(ratings.raters)
    scores = ratings.score if scores is None else scores
    apart = ratings.score - mos[ratings.item]
    bias = _mean(apart, ratings.rater, raters) if bias is None else bias
    kept = ~rejected[ratings.rater]
    of = ratings.item[kept]
    counts = np.bincount(of, minlength=items)
    squares = np.bincount(of, weights=(scores[kept] - mos[of]) ** 2, minlength=items)
    with np.errstate(divide="ignore", invalid="ignore"):
        sos = np.sqrt(squares / (counts - 1) / counts)
    return Solution(
        mos=mos,
        sos=np.where(counts > 1, sos, math.nan),
        bias=bias,
        inconsistency=_deviation(apart, ratings.rater, raters),
        rejected=rejected,
    )


def _mean(
    values: np.ndarray, of: np.ndarray, size: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Weighted mean of each group, NaN of an empty one."""
    weights = np.ones(len(values)) if weights is None else weights
    total = np.bincount(of, weights=weights, minlength=size)
    sums = np.bincount(of, weights=values * weights, minlength=size)
    return np.where(total > 0, sums / np.where(total > 0, total, 1), math.nan)


def _deviation(values: np.ndarray, of: np.ndarray, size: int) -> np.ndarray:
    """Take the standard deviation of each group, of N and not N - 1, as P.910 takes it."""
    centred = values - _mean(values, of, size)[of]
    return np.sqrt(_mean(centred**2, of, size))
