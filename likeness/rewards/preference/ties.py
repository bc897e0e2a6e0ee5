"""Bradley-Terry with ties after Rao and Kupper (1967), as VideoReward is trained with it."""

import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

K = 5.0
LEFT, TIE, RIGHT = range(3)


def log_chances(difference: Tensor, k: float = K) -> Tensor:
    """Log probabilities of the three answers.

    Args:
        difference: (N,) score of the left side less that of the right.
        k: how readily people call a tie, > 1; equal sides tie with (k - 1) / (k + 1).

    Returns:
        (N, 3): left, tie, right.

    """
    if not k > 1:
        raise ValueError(f"k must be above 1, got {k}")
    left, right = logsigmoid(difference - math.log(k)), logsigmoid(-difference - math.log(k))
    return torch.stack([left, left + right + math.log(k**2 - 1), right], dim=-1)


def ties_loss(
    difference: Tensor, answers: Tensor, weights: Tensor, k: float = K
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean negative log likelihood over the entries that count.

    Args:
        difference: (N,) score of the left side less that of the right, position added.
        answers: (N, 3) shares of left, tie and right; a row of zeros does not count.
        weights: (N,) of the entries, >= 0.
        k: how readily people call a tie.

    Returns:
        The loss, and `count`: the weight it was divided by.

    Raises:
        ValueError: no entry counts.

    """
    count = (weights * answers.sum(-1)).sum()
    if not count > 0:
        raise ValueError("no vote counts: all are both_bad or weigh nothing")
    loss = -(weights[:, None] * answers * log_chances(difference, k)).sum() / count
    return loss, {"count": count.detach()}
