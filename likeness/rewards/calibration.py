"""Thresholds of a face recogniser from labelled pairs: ROC, TAR at FAR, and how sure they are."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from likeness.rewards.thresholds import Threshold
from likeness.store.errors import LikenessError

FARS = (1e-2, 1e-3)
LEAST_ERRORS = 10
DRAWS = 1000
INTERVAL = (0.025, 0.975)


class CalibrationError(LikenessError):
    """Labelled pairs from which no threshold can be told."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trials:
    """Pairs of clips with their similarity and what is true of them.

    Attributes:
        scores: (n,) similarity of each pair.
        same: (n,) bool, whether both show one person.
        left, right: (n,) int, who is in either clip; equal where `same`.

    """

    scores: np.ndarray
    same: np.ndarray
    left: np.ndarray
    right: np.ndarray

    @property
    def people(self) -> int:
        """How many people are in the pairs."""
        return len(np.union1d(self.left, self.right))


@dataclass(frozen=True, kw_only=True, eq=False)
class Roc:
    """What each threshold lets through, from the strictest on; a score at it passes.

    Attributes:
        thresholds: (k,) falling: one above all scores, then every score there is.
        far: (k,) share of pairs of different people that pass, rising.
        tar: (k,) share of pairs of one person that pass, rising.

    """

    thresholds: np.ndarray
    far: np.ndarray
    tar: np.ndarray

    def at_far(self, far: float) -> int:
        """Index of the lowest threshold that lets at most this share of impostors through."""
        return int(np.searchsorted(self.far, far * (1 + 1e-12), side="right")) - 1

    def at_equal_error(self) -> int:
        """Index of the threshold where as many impostors pass as genuine pairs fail."""
        return int(np.abs(self.far - (1 - self.tar)).argmin())


@dataclass(frozen=True, kw_only=True)
class Point:
    """A threshold with what it does; intervals are of 95 %, from people drawn again.

    Attributes:
        rule: `FAR 0.01`, or `equal error`.
        threshold, threshold_low, threshold_high: the similarity and its interval.
        far: share of impostor pairs that pass it.
        tar, tar_low, tar_high: share of genuine pairs that pass it, and its interval.
        reason: why there is no such threshold, or None; all numbers are NaN then.

    """

    rule: str
    threshold: float = math.nan
    threshold_low: float = math.nan
    threshold_high: float = math.nan
    far: float = math.nan
    tar: float = math.nan
    tar_low: float = math.nan
    tar_high: float = math.nan
    reason: str | None = None


def roc(scores: np.ndarray, same: np.ndarray, weights: np.ndarray | None = None) -> Roc:
    """Count what passes each threshold.

    Args:
        scores: (n,).
        same: (n,) bool; both kinds must be there.
        weights: (n,) how often each pair counts; once without.

    """
    weights = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    # pairs of one score pass together
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    genuine = np.cumsum(np.where(same, weights, 0.0)[order])
    impostor = np.cumsum(np.where(same, 0.0, weights)[order])
    return Roc(
        thresholds=np.append(np.nextafter(falling[0], np.inf), falling[ends]),
        far=np.append(0.0, impostor[ends] / impostor[-1]),
        tar=np.append(0.0, genuine[ends] / genuine[-1]),
    )


def points(trials: Trials, draws: int = DRAWS, seed: int = 0) -> list[Point]:
    """Find the thresholds of FAR 0.01, of FAR 0.001 and of equal errors.

    A FAR is told only where at least 10 impostor pairs would pass it. Pairs of one person are not
    independent: the intervals come from drawing people, not pairs, with replacement; a pair
    counts as often as its person was drawn, a pair of two people as often as both were together.

    Raises:
        CalibrationError: pairs of one person or of different people are missing, or there are
            fewer than 3 people.

    """
    genuine, impostor = int(trials.same.sum()), int((~trials.same).sum())
    if not genuine or not impostor or trials.people < 3:
        raise CalibrationError(
            f"{genuine} pairs of one person and {impostor} of different people, of "
            f"{trials.people} people: both kinds and 3 people are needed; add clips"
        )
    rules: dict[str, Callable[[Roc], int]] = {
        **{f"FAR {far:g}": partial(Roc.at_far, far=far) for far in FARS},
        "equal error": Roc.at_equal_error,
    }
    unsupported = {
        f"FAR {far:g}": f"{impostor} pairs of different people, "
        f"{math.ceil(LEAST_ERRORS / far)} needed for FAR {far:g}"
        for far in FARS
        if far * impostor < LEAST_ERRORS
    }
    told = {rule: place for rule, place in rules.items() if rule not in unsupported}
    low, high = _intervals(trials, told, draws, np.random.default_rng(seed))
    curve = roc(trials.scores, trials.same)
    found = []
    for rule in rules:
        if rule in unsupported:
            found.append(Point(rule=rule, reason=unsupported[rule]))
            continue
        at, row = told[rule](curve), list(told).index(rule)
        found.append(
            Point(
                rule=rule,
                threshold=float(curve.thresholds[at]),
                threshold_low=float(low[row, 0]),
                threshold_high=float(high[row, 0]),
                far=float(curve.far[at]),
                tar=float(curve.tar[at]),
                tar_low=float(low[row, 1]),
                tar_high=float(high[row, 1]),
            )
        )
    return found


def decide(trials: Trials, found: list[Point], recogniser: str) -> Threshold:
    """Take the strictest threshold the pairs support; that of equal errors where none is."""
    told = [p for p in found if p.reason is None and p.rule.startswith("FAR")]
    point = told[-1] if told else found[-1]
    return Threshold(
        recogniser=recogniser,
        value=point.threshold,
        low=point.threshold_low,
        high=point.threshold_high,
        rule=point.rule,
        far=point.far,
        tar=point.tar,
        genuine=int(trials.same.sum()),
        impostor=int((~trials.same).sum()),
        people=trials.people,
    )


def _intervals(
    trials: Trials, rules: dict[str, Callable[[Roc], int]], draws: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw people again: lower and upper ends of threshold and TAR, (rules, 2) each.

    A draw without pairs of both kinds is drawn anew.
    """
    names, places = np.unique(np.concatenate([trials.left, trials.right]), return_inverse=True)
    left, right = places[: len(trials.left)], places[len(trials.left) :]
    again: list[list[tuple[float, float]]] = []
    while len(again) < draws:
        times = rng.multinomial(len(names), np.full(len(names), 1 / len(names)))
        weights = np.where(trials.same, times[left], times[left] * times[right]).astype(float)
        if not (weights[trials.same].any() and weights[~trials.same].any()):
            continue
        drawn = weights > 0
        curve = roc(trials.scores[drawn], trials.same[drawn], weights[drawn])
        at = [place(curve) for place in rules.values()]
        again.append([(float(curve.thresholds[k]), float(curve.tar[k])) for k in at])
    low, high = np.quantile(np.array(again), INTERVAL, axis=0)
    return low, high
