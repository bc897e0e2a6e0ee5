"""The losses of alignment as pure functions: tensors in, tensors or `(loss, metrics)` out.

Latents are (B, C, T, h, w), masks broadcast to (B, 1, T, h, w) and hold 0 or 1. Everything is
computed in float32, or in float64 where the prediction has it.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from likeness.alignment.dpo.link import Beta, Link, Verdict

Reduction = Literal["masked_mean", "full_mean"]


class PairErrors(NamedTuple):
    """Velocity errors (B,) of winners and losers, by the trained model and by its reference."""

    winner: Tensor
    winner_ref: Tensor
    loser: Tensor
    loser_ref: Tensor

    @property
    def winner_rise(self) -> Tensor:
        """Delta^w of TAVR eq. 7 (B,): by how much the winner's error is above the reference's."""
        return self.winner - self.winner_ref

    @property
    def loser_rise(self) -> Tensor:
        """Delta^l of TAVR eq. 7 (B,)."""
        return self.loser - self.loser_ref


def masked_error(
    prediction: Tensor, target: Tensor, mask: Tensor | None, reduction: Reduction
) -> Tensor:
    """Squared error of each sample inside its mask: ||m * (y - f)||^2 of TAVR eq. 7, as a mean.

    The paper's norm is a sum; the mean over ALL non-batch axes is what its beta of 500 assumes.

    Args:
        prediction: (B, C, T, h, w).
        target: the same shape.
        mask: broadcasts to (B, 1, T, h, w), 0 or 1; None counts everything.
        reduction: "masked_mean" divides by the elements inside the mask, "full_mean" by all of
            them. They differ by the mask's share: 20 times for a face of 5 %. An empty mask
            gives NaN under "masked_mean".

    Returns:
        (B,), at least float32.

    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    squared = (prediction.to(dtype) - target.to(dtype)).square()
    if mask is None:
        return squared.mean(dim=tuple(range(1, squared.ndim)))
    everywhere = mask.to(dtype).expand(len(squared), 1, *squared.shape[2:])
    squared = squared * everywhere.square()
    if reduction == "full_mean":
        return squared.flatten(1).mean(1)
    return squared.flatten(1).sum(1) / (everywhere.flatten(1).sum(1) * squared.shape[1])


def flow_matching_loss(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """L_MSE of TAVR eq. 6: mean squared error of the velocity over the whole frame.

    Args:
        prediction: (B, C, T, h, w) velocity.
        target: noise - z_0, the same shape.
        weight: (B,) weight of each sample; 1 by default.

    """
    error = masked_error(prediction, target, None, "full_mean")
    return error.mean() if weight is None else (weight * error).mean()


def preference(errors: PairErrors, beta: Beta, winner_penalty: float = 0.0) -> Tensor:
    """Z of TAVR eq. 7 (B,): -beta/2 (Delta^w - Delta^l), above 0 where the winner is preferred.

    `winner_penalty` is lambda of DPO-Positive (Pal et al. 2024, eq. 3): z loses
    beta/2 * lambda * max(0, Delta^w), so that a pair can't be told apart by harming the loser
    more than the winner. 0 is the paper's loss.
    """
    rise = errors.winner_rise
    return -beta / 2 * (rise - errors.loser_rise + winner_penalty * rise.clamp(min=0))


def dpo_loss(
    errors: PairErrors,
    beta: Beta,
    *,
    weight: Tensor | None = None,
    winner_penalty: float = 0.0,
    link: Link | None = None,
    verdict: Verdict | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """L_DPO of TAVR eq. 7, -mean log sigmoid(z), or what another link makes of z.

    Args:
        errors: the four errors (B,) of each pair.
        beta: strength of the preference, > 0, for errors that are means; a number or (B,).
        weight: (B,) weight of each pair; 1 by default.
        winner_penalty: >= 0, see `preference`.
        link: how z becomes a loss; the sigmoid by default.
        verdict: what was said of each pair; that the winner is better by default.

    Returns:
        The loss, and detached scalars: `z`, `push` (sigmoid(-z), the share of the gradient that
        is left), `accuracy` (share of pairs with z > 0), `winner_rise`, `loser_rise`. Both
        rises above 0 while the loss falls is the usual failure.

    """
    z = preference(errors, beta, winner_penalty)
    loss = (link or Link())(z, beta, verdict)
    metrics = {
        "z": z.detach().mean(),
        "push": torch.sigmoid(-z.detach()).mean(),
        "accuracy": (z.detach() > 0).to(z.dtype).mean(),
        "winner_rise": errors.winner_rise.detach().mean(),
        "loser_rise": errors.loser_rise.detach().mean(),
    }
    return (loss if weight is None else weight * loss).mean(), metrics


def drift_outside(prediction: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
    """Mean squared change against the reference model outside the mask.

    The masked loss leaves everything outside the mask free to move; this holds it in place.

    Args:
        prediction: (B, C, T, h, w) velocity of the trained model.
        reference: velocity of the reference model at the same input.
        mask: broadcasts to (B, 1, T, h, w), 0 or 1.

    Returns:
        Mean over the batch; a sample whose mask covers everything counts 0.

    """
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    outside = 1 - mask.to(dtype).expand(len(prediction), 1, *prediction.shape[2:])
    squared = (prediction.to(dtype) - reference.to(dtype)).square() * outside
    elements = (outside.flatten(1).sum(1) * prediction.shape[1]).clamp(min=1)
    return (squared.flatten(1).sum(1) / elements).mean()
