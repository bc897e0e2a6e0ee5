"""How far raters agree: Krippendorff's alpha, and kappa of each two raters.

Alpha is 1 - observed / expected disagreement (Krippendorff 2018, chapter 12). Its interval draws
whole items with replacement, because the labels of one item belong together; Krippendorff's own
bootstrap draws pairs of labels and is narrower where raters disagree on some items only.
"""

import math
from dataclasses import dataclass

import numpy as np

from likeness.annotation.labels import Labels

LEVEL = 0.95

_TOGETHER = 10_000_000  # weights of items that are held at once


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Krippendorff's alpha.

    Attributes:
        alpha: 1 where all agree, 0 as by chance; NaN where it is not defined.
        low: lower end of the 95 % interval over items; NaN where there is none.
        high: upper end.
        reason: why a number is missing, else None.
        items: items with two labels or more, which alone tell of agreement.

    """

    alpha: float
    low: float
    high: float
    reason: str | None
    items: int


def agreement(labels: Labels, resamples: int, rng: np.random.Generator) -> Agreement:
    """Alpha of the level of the labels, with its interval.

    Args:
        labels: who labelled what.
        resamples: how often items are drawn again.
        rng: where the draws come from.

    """
    counts = labels.counts()
    counts = counts[counts.sum(1) >= 2]
    items = len(counts)
    if not items:
        why = "no item has labels of two raters"
        return Agreement(alpha=math.nan, low=math.nan, high=math.nan, reason=why, items=0)
    numbers = labels.values.astype(float) if labels.level == "interval" else None
    value = float(_alphas(counts, np.ones((1, items)), labels.level, numbers)[0])
    if math.isnan(value):
        why = "every label has the same value, so there is no disagreement to expect"
        return Agreement(alpha=value, low=math.nan, high=math.nan, reason=why, items=items)
    if items == 1:
        why = "one item has labels of two raters: there is no interval over items"
        return Agreement(alpha=value, low=math.nan, high=math.nan, reason=why, items=1)
    found = []
    step = max(1, _TOGETHER // items)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = rng.multinomial(items, np.full(items, 1 / items), size=size).astype(float)
        found.append(_alphas(counts, weights, labels.level, numbers))
    low, high = np.nanquantile(np.concatenate(found), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Agreement(alpha=value, low=float(low), high=float(high), reason=None, items=items)


def _alphas(
    counts: np.ndarray, weights: np.ndarray, level: str, numbers: np.ndarray | None
) -> np.ndarray:
    """Alpha of weighted items, (U, K) counts and (B, U) weights -> (B,); NaN where undefined."""
    labels = counts.sum(1)
    shares = weights / (labels - 1)
    margins = weights @ counts  # (B, K), how often each value occurs
    total = margins.sum(1)
    if level == "nominal":
        observed = shares @ (labels**2 - (counts**2).sum(1))
        expected = (total**2 - (margins**2).sum(1)) / (total - 1)
    elif level == "interval":
        assert numbers is not None
        centred: np.ndarray = numbers - numbers.mean()
        observed = shares @ _scatter(counts, centred)
        expected = _scatter(margins, centred) / (total - 1)
    else:
        ranks = margins.cumsum(1) - margins / 2  # the middle of each value's places
        observed = np.array(
            [share @ _scatter(counts, rank) for share, rank in zip(shares, ranks, strict=True)]
        )
        expected = np.array(
            [_scatter(row[None], rank)[0] for row, rank in zip(margins, ranks, strict=True)]
        ) / (total - 1)
    kinds = (margins > 0).sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(kinds > 1, 1 - observed / expected, np.nan)


def _scatter(counts: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Sum of squared differences over all ordered pairs of a row's values, (R, K) -> (R,)."""
    return 2 * (counts.sum(1) * (counts @ numbers**2) - (counts @ numbers) ** 2)


@dataclass(frozen=True, kw_only=True)
class Kappa:
    """Agreement of two raters beyond chance.

    Attributes:
        a: one rater.
        b: the other.
        kappa: Cohen's (1960) at the nominal level; weighted by squared differences, of the places
            in the order or of the values, at the others (1968). NaN where not defined.
        items: how many items both labelled.

    """

    a: str
    b: str
    kappa: float
    items: int


def kappas(labels: Labels) -> list[Kappa]:
    """Kappa of each two raters, on the items that both labelled."""
    filled = np.full((len(labels.raters), len(labels.items)), -1)
    filled[labels.rater, labels.item] = labels.value
    weights = _weights(labels)
    found = []
    for i, a in enumerate(labels.raters):
        for j in range(i + 1, len(labels.raters)):
            both = (filled[i] >= 0) & (filled[j] >= 0)
            value = _kappa(filled[i, both], filled[j, both], weights)
            found.append(Kappa(a=a, b=labels.raters[j], kappa=value, items=int(both.sum())))
    return found


def _weights(labels: Labels) -> np.ndarray:
    """How bad it is to say one value for another, (K, K)."""
    size = len(labels.values)
    if labels.level == "nominal":
        return 1 - np.eye(size)
    at = labels.values.astype(float) if labels.level == "interval" else np.arange(float(size))
    return (at[:, None] - at[None]) ** 2


def _kappa(a: np.ndarray, b: np.ndarray, weights: np.ndarray) -> float:
    size = len(weights)
    if not len(a):
        return math.nan
    table = np.bincount(a * size + b, minlength=size * size).reshape(size, size) / len(a)
    expected = float((weights * np.outer(table.sum(1), table.sum(0))).sum())
    return 1 - float((weights * table).sum()) / expected if expected else math.nan
