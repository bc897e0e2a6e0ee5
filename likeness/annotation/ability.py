"""How well each rater finds the truth that nobody was told.

Dawid and Skene (1979): each item has one true value, each rater a table of what they say for
each true value, and expectation maximisation finds both.
"""

import math
from dataclasses import dataclass

import numpy as np

from likeness.annotation.labels import Labels

_LEAST = 1e-10  # of a probability
_MOST_VALUES = 50


@dataclass(frozen=True, kw_only=True)
class Ability:
    """A rater's.

    Attributes:
        rater: the name.
        ability: chance that the rater says the true value of an item; NaN where not estimated.
        labels: how many the rater gave.
        reason: why the ability is missing, else None.

    """

    rater: str
    ability: float
    labels: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What Dawid and Skene's model finds.

    Attributes:
        values: (U, K) chance of each value to be an item's true one.
        priors: (K,) share of items of each true value.
        confusion: (R, K, K): chance that a rater says the second for the true first.

    """

    values: np.ndarray
    priors: np.ndarray
    confusion: np.ndarray


def abilities(labels: Labels) -> list[Ability]:
    """Estimate the ability of each rater; missing, with the reason, where labels don't tell."""
    given = np.bincount(labels.rater, minlength=len(labels.raters))
    reason = None
    if len(labels.values) < 2:
        reason = "every label has the same value"
    elif len(labels.values) > _MOST_VALUES:
        reason = f"more than {_MOST_VALUES} different values: abilities are for categories"
    elif np.bincount(labels.item).max() < 3:
        reason = "no item has labels of three raters, which it takes to tell who is right"
    if reason:
        found = np.full(len(labels.raters), math.nan)
    else:
        truth = dawid_skene(labels)
        found = np.einsum("k,rkk->r", truth.priors, truth.confusion)
    return [
        Ability(rater=name, ability=float(found[i]), labels=int(given[i]), reason=reason)
        for i, name in enumerate(labels.raters)
    ]


def dawid_skene(labels: Labels, most: int = 500, tolerance: float = 1e-8) -> Truth:
    """Fit by expectation maximisation from the vote of the majority.

    Args:
        labels: who said what.
        most: steps at most.
        tolerance: change of any chance of a true value below which it stops.

    """
    said = np.zeros((len(labels.raters), len(labels.items), len(labels.values)))
    said[labels.rater, labels.item, labels.value] = 1
    counts = labels.counts()
    values = counts / counts.sum(1, keepdims=True)
    priors, confusion = _raters(said, values)
    for _ in range(most):
        log = np.log(np.maximum(confusion, _LEAST))
        chance = np.log(np.maximum(priors, _LEAST)) + np.einsum("ruv,rkv->uk", said, log)
        chance = np.exp(chance - chance.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        moved = np.abs(chance - values).max()
        values = chance
        priors, confusion = _raters(said, values)
        if moved < tolerance:
            break
    return Truth(values=values, priors=priors, confusion=confusion)


def _raters(said: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of true values, and what each rater says for each."""
    tables = np.einsum("uk,ruv->rkv", values, said)
    totals = tables.sum(2, keepdims=True)
    # Of a value that never was the truth of what a rater saw, nothing is known: an even guess.
    even = 1 / said.shape[2]
    confusion = np.where(totals > 0, tables / np.where(totals > 0, totals, 1), even)
    return values.mean(0), confusion
