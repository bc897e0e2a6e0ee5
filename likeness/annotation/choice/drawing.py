"""Drawing pairs with known chances."""

from dataclasses import dataclass

import numpy as np

from likeness.annotation.choice.candidates import ChoiceError


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which candidates were drawn.

    Attributes:
        index: (n,) of the candidates, in the order of drawing.
        chance: (n,) probability with which each was to be among the n, 0 < p <= 1.

    """

    index: np.ndarray
    chance: np.ndarray


def inclusion(weights: np.ndarray, count: int, explore: float) -> np.ndarray:
    """Give the chance of each candidate to be among `count` drawn, (N,).

    Proportional to (1 - explore) * weight / sum + explore / N; one that would pass 1 is certain,
    and the others share what is left. They sum to `count`.

    Args:
        weights: (N,) >= 0, of a policy.
        count: how many are drawn.
        explore: share of the draws that is random, 0 < explore <= 1.

    Raises:
        ChoiceError: more are asked for than there are, no pair has a weight, or a number is
            out of its range.

    """
    if not 0 < explore <= 1:
        raise ChoiceError(f"explore must be above 0 and at most 1, got {explore}")
    if not 1 <= count <= len(weights):
        raise ChoiceError(
            f"{count} pairs are asked for, and {len(weights)} can be made of the samples; "
            "ask for fewer, or generate more samples a condition"
        )
    if explore < 1 and not weights.sum() > 0:
        raise ChoiceError(
            "the policy finds no pair worth asking about; score the samples, widen the range, "
            "or take --policy random"
        )
    share = np.full(len(weights), explore / len(weights))
    if explore < 1:
        share += (1 - explore) * weights / weights.sum()
    certain = np.zeros(len(weights), bool)
    while True:
        left = count - certain.sum()
        chance = np.where(certain, 1.0, share * left / max(share[~certain].sum(), 1e-300))
        over = ~certain & (chance >= 1)
        if not over.any():
            return chance
        certain |= over


def draw(weights: np.ndarray, count: int, explore: float, rng: np.random.Generator) -> Draw:
    """Draw candidates without repetition, each with exactly the chance that `inclusion` gives.

    Systematic sampling (Madow 1949): the candidates, in random order, lie on a line, each as long
    as its chance, and every point u, u + 1, ... of it takes the one it falls on.

    Raises:
        ChoiceError: see `inclusion`.

    """
    chance = inclusion(weights, count, explore)
    order = rng.permutation(len(chance))
    ends = chance[order].cumsum()
    ends[-1] = count  # whatever the sum's last bits say
    points = rng.random() + np.arange(count)
    taken = order[np.searchsorted(ends, points, side="right")]
    taken = rng.permutation(taken)
    return Draw(index=taken, chance=chance[taken])
