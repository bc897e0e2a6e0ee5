"""How training draws the movement stream: predicted, followed or dropped, row by row.

An objective puts it together so, beside its own noisy latents ``z_t`` at times ``t``::

    drawn = movement_times(len(clean), shares, chance, known=known_rows(movement))
    noisy, towards = noisy_movement(movement, drawn.times, noise)
    out = generator.joint_velocity(
        Joint(latents=z_t, movement=noisy),
        JointTimes(latents=t, movement=drawn.times, free=drawn.dropped),
        cond,
    )
    loss = region_weighted_error(out.latents, noise - clean, weight)
    loss = loss + factor * movement_error(out.movement, towards, drawn)

``cond.movement`` stays None: what is followed is in the state, at time 0. The reference's manner is
left out of some rows by ``cond.without(reference_movement=...)``.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from likeness.model.config import ModelError


@dataclass(frozen=True, kw_only=True)
class MovementShares:
    """Shares of rows by what becomes of their movement; they come to 1.

    Attributes:
        predicted: noisy, at a time of its own: the network learns to say it.
        followed: clean: the network learns to obey it.
        dropped: unseen: the network learns to go without.

    """

    predicted: float = 0.5
    followed: float = 0.3
    dropped: float = 0.2

    def __post_init__(self) -> None:
        shares = (self.predicted, self.followed, self.dropped)
        if min(shares) < 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            told = ", ".join(f"{share:g}" for share in shares)
            raise ModelError(
                f"training.movement: shares must be 0 or more and come to 1, got {told}"
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class MovementTimes:
    """What becomes of each row's movement.

    Attributes:
        times: (B,) in 0..1: of their own where it is predicted, 0 where it is followed, 1 where it
            is dropped.
        predicted, dropped: (B,) bool; the other rows are followed.

    """

    times: Tensor
    predicted: Tensor
    dropped: Tensor

    def rows(self, rows: slice) -> "MovementTimes":
        """Keep some rows."""
        return MovementTimes(
            times=self.times[rows], predicted=self.predicted[rows], dropped=self.dropped[rows]
        )

    def to(self, device: torch.device) -> "MovementTimes":
        """Move all tensors."""
        return MovementTimes(
            times=self.times.to(device),
            predicted=self.predicted.to(device),
            dropped=self.dropped.to(device),
        )

    def known_only(self, known: Tensor) -> "MovementTimes":
        """Drop the rows of which nothing is ``known`` (B,)."""
        dropped = self.dropped | ~known
        times = torch.where(known, self.times, torch.ones_like(self.times))
        return MovementTimes(times=times, predicted=self.predicted & known, dropped=dropped)


def known_rows(movement: Tensor) -> Tensor:
    """Rows of (B, T, K) with any frame that is known: (B,) bool."""
    return movement.isfinite().all(-1).any(-1)


def movement_times(
    batch: int,
    shares: MovementShares,
    generator: torch.Generator,
    *,
    location: float = 0.0,
    known: Tensor | None = None,
) -> MovementTimes:
    """Draw what becomes of each row's movement, and its noise level.

    The level is drawn apart from the video's (diffusion forcing), logit-normal with scale 1 around
    ``location`` as the video's is, in 0.02..1. Rows of which nothing is ``known`` (B,) are dropped.
    The generator is asked for the same numbers whatever the shares are.
    """
    chance = torch.rand(batch, generator=generator)
    level = (location + torch.randn(batch, generator=generator)).sigmoid().clamp(0.02, 1.0)
    predicted = chance < shares.predicted
    dropped = chance >= shares.predicted + shares.followed
    if shares.dropped == 0:  # sums of shares are rounded
        dropped = torch.zeros_like(dropped)
    if known is not None:
        predicted, dropped = predicted & known.cpu(), dropped | ~known.cpu()
    times = torch.where(predicted, level, dropped.float())
    return MovementTimes(times=times, predicted=predicted, dropped=dropped)


def noisy_movement(movement: Tensor, times: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """(1 - t) m + t noise, and the velocity noise - m, of (B, T, K); NaN frames stay NaN."""
    s = times.to(movement).view(-1, 1, 1)
    return (1 - s) * movement + s * noise, noise - movement


def movement_error(
    velocity: Tensor, target: Tensor, drawn: MovementTimes, *, time_floor: float = 0.0
) -> Tensor:
    """Mean squared error of the velocity over the known frames of rows that were predicted.

    Args:
        velocity: (B, T, K) as predicted.
        target: (B, T, K), NaN where unknown.
        drawn: whose followed and dropped rows have no error.
        time_floor: below this time the error counts as at it: see ``Stage``.

    Returns:
        A scalar; 0 with no gradient to speak of where no row was predicted.

    """
    device = velocity.device
    counts = drawn.predicted.to(device)[:, None, None] & target.isfinite()
    gap = torch.where(counts, velocity - target.nan_to_num(), 0.0)
    tamed = torch.ones_like(drawn.times)
    if time_floor > 0:
        tamed = (drawn.times / drawn.times.clamp_min(time_floor)).square()
    total = (gap.square() * tamed.to(device)[:, None, None]).sum()
    return total / counts.sum().clamp_min(1)
