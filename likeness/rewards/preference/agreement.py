"""How well score differences agree with votes, ties among them."""

from dataclasses import dataclass

import numpy as np

from likeness.rewards.preference.ties import LEFT, RIGHT, TIE


@dataclass(frozen=True, kw_only=True)
class TieThreshold:
    """The difference up to which two clips count as equal.

    Attributes:
        at: differences of at most this are ties; below 0 nothing is.
        accuracy: share of the votes' weight that it agrees with, 0..1.

    """

    at: float
    accuracy: float


def calls(difference: np.ndarray, threshold: float) -> np.ndarray:
    """Call each pair: (N,) of LEFT, TIE or RIGHT."""
    sided = np.where(difference > 0, LEFT, RIGHT)
    return np.where(np.abs(difference) <= threshold, TIE, sided)


def calibrate_ties(
    difference: np.ndarray, answers: np.ndarray, weights: np.ndarray
) -> TieThreshold:
    """Find the threshold that agrees best, exactly (Deutsch, Foster and Freitag 2023).

    All thresholds between which a call changes are tried: none, and every |difference|. Of equals
    the least is taken.

    Args:
        difference: (N,) score of left less right.
        answers: (N, 3) shares of left, tie and right; rows of zeros do not count.
        weights: (N,) >= 0.

    Raises:
        ValueError: no entry counts.

    """
    total = float((weights[:, None] * answers).sum())
    if total <= 0:
        raise ValueError("no vote counts: all are both_bad or weigh nothing")
    size = np.abs(difference)
    order = np.argsort(size, kind="stable")
    sided = answers[np.arange(len(size)), np.where(difference > 0, LEFT, RIGHT)]
    gains = (weights * (answers[:, TIE] - sided))[order]
    agreed = (weights * sided).sum() + np.concatenate([[0.0], np.cumsum(gains)])
    levels = np.concatenate([[-1.0], size[order]])
    last = np.append(levels[1:] != levels[:-1], True)  # equal sizes turn into ties together
    # sums in another order differ in their last bits; that is no better agreement
    best = agreed[last].max()
    chosen = np.flatnonzero(last & (agreed >= best - 1e-12 * total))[0]
    return TieThreshold(at=float(levels[chosen]), accuracy=float(agreed[chosen] / total))


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Decided votes whose predicted chance of left lies in one range.

    Attributes:
        low: of the range, 0..1.
        high: of the range.
        count: votes in it.
        predicted: their mean predicted chance of left.
        observed: share of left among them.

    """

    low: float
    high: float
    count: float
    predicted: float
    observed: float


def reliability(chances: np.ndarray, answers: np.ndarray, bins: int = 10) -> tuple[Bin, ...]:
    """Compare predicted with observed shares of left among votes for a side.

    Args:
        chances: (N, 3) predicted probabilities of left, tie and right.
        answers: (N, 3) shares of the votes.
        bins: of equal width; empty ones are left out.

    """
    sides = answers[:, LEFT] + answers[:, RIGHT]
    predicted = chances[:, LEFT] / (chances[:, LEFT] + chances[:, RIGHT])
    index = np.minimum((predicted * bins).astype(int), bins - 1)
    found = []
    for b in range(bins):
        share = sides * (index == b)
        if share.sum() > 0:
            found.append(
                Bin(
                    low=b / bins,
                    high=(b + 1) / bins,
                    count=float(share.sum()),
                    predicted=float((share * predicted).sum() / share.sum()),
                    observed=float((answers[:, LEFT] * (index == b)).sum() / share.sum()),
                )
            )
    return tuple(found)


def calibration_error(bins: tuple[Bin, ...]) -> float:
    """Mean distance of predicted and observed over the bins, weighted by their counts."""
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.predicted - b.observed) for b in bins) / total if total else np.nan
