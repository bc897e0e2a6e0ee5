"""Telling a bad rater early, with a bound on false alarms however often one looks.

Each alternative (guessing between two, guessing among four, answering the wrong way round, always
left, always right) keeps the product of its likelihood ratios against an honest rater. Under the
honest one, each product and so their weighted mean is a martingale or falls, and by Ville's
inequality (1939) the chance that it ever reaches 1 / alpha is at most alpha.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from likeness.annotation.judgements import Judgement

HONEST = 0.75
"""Accuracy on known answers that an honest rater has at least."""

LEFT_AT_MOST = 0.6
"""Share of either side among answers for a side that an honest rater has at most."""

ALPHA = 0.05

_ALWAYS = 0.95  # share of the side that somebody takes who takes always the same

_ALTERNATIVES = {  # name and rate: weight in the mean, most for what is hardest to tell
    ("guessing", 0.5): 0.7,
    ("guessing", 0.25): 0.075,
    ("inverted", 0.1): 0.075,
    ("always left", _ALWAYS): 0.075,
    ("always right", _ALWAYS): 0.075,
}
_CHECKED = frozenset({"gold", "training"})


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """What the test says.

    Attributes:
        evidence: weighted mean of products of likelihood ratios after the last view; above 1
            speaks against the rater.
        at: number of the view, from 1, at which it first reached 1 / alpha; None if never.
        suspicion: the alternative that fits best by now: guessing, inverted, always left or
            always right; empty without an alarm.
        views: how many were looked at.

    """

    evidence: float
    at: int | None
    suspicion: str
    views: int


def watch(judgements: Iterable[Judgement], alpha: float = ALPHA) -> Alarm:
    """Look at one rater's judgements in the order of their views.

    Known answers (gold and training) speak of accuracy; all answers for a side speak of the
    sides, because which clip stands left is balanced in every block of the queue. Several
    dimensions of one view are averaged, which keeps the bound however they hang together.
    """
    products = dict.fromkeys(_ALTERNATIVES, 0.0)  # logarithms
    evidence, at, views = 1.0, None, 0
    for _, group in groupby(judgements, key=lambda one: one.assignment.id):
        view = list(group)
        views += 1
        for name in products:
            products[name] += _log_ratio(name, view)
        evidence = _mean(products)
        if at is None and evidence >= 1 / alpha:
            at = views
    best, _ = max(products, key=lambda name: products[name])
    suspicion = best if at is not None else ""
    return Alarm(evidence=evidence, at=at, suspicion=suspicion, views=views)


def _log_ratio(alternative: tuple[str, float], view: list[Judgement]) -> float:
    """Logarithm of the mean likelihood ratio of a view's dimensions; 0 where none tells."""
    name, rate = alternative
    ratios = []
    for one in view:
        if name.startswith("always"):
            if one.shown in {"left", "right"}:
                taken = one.shown == name.removeprefix("always ")
                ratios.append(rate / LEFT_AT_MOST if taken else (1 - rate) / (1 - LEFT_AT_MOST))
        elif one.kind in _CHECKED and one.right is not None:
            ratios.append(rate / HONEST if one.right else (1 - rate) / (1 - HONEST))
    return math.log(sum(ratios) / len(ratios)) if ratios else 0.0


def _mean(products: dict[tuple[str, float], float]) -> float:
    """Weighted mean of products that are given by their logarithms."""
    top = max(products.values())
    total = sum(_ALTERNATIVES[name] * math.exp(value - top) for name, value in products.items())
    return math.exp(min(top + math.log(total), 700.0))
