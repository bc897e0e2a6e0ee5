"""What the network is asked about a batch of pairs, the reference stream once a pair."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from likeness.alignment.policy import Policy
from likeness.alignment.preference import Batch


class Inputs(NamedTuple):
    """Noisy latents of all winners, a draw after the other, and then of all losers."""

    z_t: Tensor  # (2N, C, T, h, w)
    t: Tensor  # (2N,)
    target: Tensor  # (2N, C, T, h, w) velocity


def noisy(batch: Batch, t: Tensor, noise: Tensor) -> Inputs:
    """Put the same t and noise on winner and loser: z_t = (1 - t) z_0 + t noise.

    Args:
        batch: B pairs.
        t: (N,) in 0..1, N a multiple of B: all pairs once, then all again.
        noise: (N, C, T, h, w).

    """
    again = len(t) // len(batch.winner)
    z_0 = torch.cat([batch.winner] * again + [batch.loser] * again)
    t, noise = torch.cat([t, t]), torch.cat([noise, noise])
    s = t.view(-1, 1, 1, 1, 1)
    return Inputs((1 - s) * z_0 + s * noise, t, noise - z_0)


def predict(policy: Policy, inputs: Inputs, condition: Any, pairs: int) -> Tensor:
    """Velocity (2N, C, T, h, w) of all inputs in one forward.

    The reference stream never looks at the clip (TAVR eq. 2), so it runs once for each of the
    `pairs` conditions and serves winner, loser and every draw.
    """
    copies = len(inputs.z_t) // pairs
    shared = policy.encode_reference(condition).repeat([True] * copies)
    repeated = type(condition).stack([condition] * copies)
    return policy.velocity(inputs.z_t, inputs.t, repeated, shared=shared)
