"""The true answer of each item, and each rater's ability, found together.

The one-coin model of Dawid and Skene (1979): a rater gives the true answer with one chance, the
rater's ability, and each wrong one equally often else. With few votes a rater it is steadier than
a table of all confusions, and it treats the two sides of a pair alike.
"""

from dataclasses import dataclass

import numpy as np

from likeness.annotation.labels import Labels

_LEAST = 1e-10  # of a chance


@dataclass(frozen=True, kw_only=True)
class Believed:
    """What the model finds.

    Attributes:
        values: (U, K) chance of each value to be the item's true one.
        abilities: (R,) chance that a rater gives the true value.

    """

    values: np.ndarray
    abilities: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Prior:
    """What is believed before any vote.

    Attributes:
        shares: (K,) of true values, summing to 1; None to learn them too.
        ability: of a rater of whom nothing is known.
        votes: how many votes that belief weighs; 0 for none, as in maximum likelihood.

    """

    shares: np.ndarray | None = None
    ability: float = 0.75
    votes: float = 4.0


def one_coin(labels: Labels, prior: Prior, most: int = 500, tolerance: float = 1e-9) -> Believed:
    """Fit by expectation maximisation, from the shares of votes.

    Args:
        labels: who said what, of two values at least.
        prior: of abilities and of true values.
        most: steps at most.
        tolerance: change of any chance below which it stops.

    """
    counts = labels.counts()
    values = counts / counts.sum(1, keepdims=True)
    wrong = max(len(labels.values) - 1, 1)
    given = np.bincount(labels.rater, minlength=len(labels.raters))
    abilities = np.zeros(len(labels.raters))
    for _ in range(most):
        right = np.bincount(
            labels.rater, values[labels.item, labels.value], minlength=len(labels.raters)
        )
        abilities = (right + prior.votes * prior.ability) / (given + prior.votes)
        shares = values.mean(0) if prior.shares is None else prior.shares
        hit = np.log(np.maximum(abilities, _LEAST))
        miss = np.log(np.maximum((1 - abilities) / wrong, _LEAST))
        chance = np.tile(np.log(np.maximum(shares, _LEAST)), (len(labels.items), 1))
        chance += np.bincount(labels.item, miss[labels.rater], minlength=len(chance))[:, None]
        np.add.at(chance, (labels.item, labels.value), (hit - miss)[labels.rater])
        chance = np.exp(chance - chance.max(1, keepdims=True))
        chance /= chance.sum(1, keepdims=True)
        moved = np.abs(chance - values).max()
        values = chance
        if moved < tolerance:
            break
    return Believed(values=values, abilities=abilities)
