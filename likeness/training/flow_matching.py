"""Flow matching (TAVR eq. 6): the error and the times."""

from typing import Literal

import torch
from torch import Tensor

Times = Literal["logit_normal", "uniform"]


def region_weighted_error(velocity: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error over (B, C, T, h, w), by a weight (B, 1, T, h, w) of mean about 1."""
    return ((velocity - target).square() * weight).mean()


def draw_times(
    batch: int, location: float, generator: torch.Generator, *, kind: Times = "logit_normal"
) -> Tensor:
    """Draw times in 0.02..1: even ones, or logit-normal with scale 1 (Esser et al. 2024)."""
    if kind == "uniform":
        return 0.02 + 0.98 * torch.rand(batch, generator=generator)
    return (location + torch.randn(batch, generator=generator)).sigmoid().clamp(0.02, 1.0)


def noised(clean: Tensor, noise: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """Latents at time t (B,) of the straight flow, and its velocity: noise - clean."""
    s = t.view(-1, 1, 1, 1, 1)
    return (1 - s) * clean + s * noise, noise - clean


def tamed_weight(t: Tensor, floor: float) -> Tensor:
    """Weight (B, 1, 1, 1, 1) that counts the error below time ``floor`` as at it.

    Predicting x0 and measuring velocity weighs the error by 1 / t^2, which would drown everything
    in the last touches of noise.
    """
    s = t.view(-1, 1, 1, 1, 1)
    return (s / s.clamp_min(floor)).square()
