"""The losses of learning from rewards, row by row: tensors in, a number a row out."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


def row_mean(values: Tensor) -> Tensor:
    """Mean over all axes but the first, (B,)."""
    return values.flatten(1).mean(1)


def clipped_loss(log_ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """PPO's: max(-A r, -A clamp(r, 1 - c, 1 + c)), (B,).

    Args:
        log_ratio: (B,) log-probability now minus that of the rollout.
        advantage: (B,), already clamped.
        clip: c. Where log-probabilities are means over elements, r stays within 1e-4 of 1 and
            clips are 1e-5..1e-3.

    """
    ratio = log_ratio.exp()
    return torch.maximum(-advantage * ratio, -advantage * ratio.clamp(1 - clip, 1 + clip))


def guarded_log_ratio(log_ratio: Tensor, mean: Tensor, mean_old: Tensor, std: Tensor) -> Tensor:
    """GRPO-Guard's: (log r + mean((mu - mu_old)^2) / (2 k^2)) k, (B,).

    The first term's expectation under the old policy is minus the second: the ratio is centred, so
    that the clip holds on both sides. Its loss is divided by the length of the step.

    Args:
        log_ratio: (B,) of log-probabilities that are means over elements.
        mean: (B, ...) of the step now; differentiable.
        mean_old: of the rollout's step.
        std: (B or 1, 1, ...) of the whole step, k = std sqrt|dt| of the papers.

    """
    k = std.flatten(1).expand(len(mean), 1)[:, 0]
    return (log_ratio + row_mean((mean - mean_old).square()) / (2 * k.square())) * k


def gaussian_kl(mean: Tensor, mean_reference: Tensor, std: Tensor) -> Tensor:
    """KL of two steps of one std, as a mean over elements, (B,): (mu - mu_ref)^2 / (2 k^2).

    With dt in it, k = std sqrt|dt|. For Flow-SDE it is |dt|/2 (1-s)/s (1 + a^2/2)^2 / a^2
    mean((v - v_ref)^2). Scripts that divide by the std without sqrt|dt| mean another beta.
    """
    return row_mean((mean - mean_reference).square() / (2 * std.square()))


def video_weight(t: float, t_next: float) -> float:
    """sqrt(t / (1 - t)) / sqrt|dt|: evens out how hard Flow-SDE's steps pull.

    The policy loss's gradient goes with sqrt(|dt| (1 - t) / t), which spreads 35 times at shift 5.
    Its KL goes with the square, and is weighted by the square. At t = 1 the inner 1 - t becomes
    1 - t_next, as in the sampler.
    """
    rest = 1 - (t_next if t > 1 - 1e-5 else t)
    return math.sqrt(t / rest / (t - t_next))


def preference_share(advantage: Tensor, clamp: float = 5.0) -> Tensor:
    """DiffusionNFT's r in 0..1: clamp(A / (2 c) + 1/2, 0, 1); A / 10 + 1/2 for advantages to 5."""
    return (advantage / (2 * clamp) + 0.5).clamp(0, 1)


class Noised(NamedTuple):
    """Samples on their way back to noise."""

    z_0: Tensor  # (B, C, T, h, w)
    z_t: Tensor  # (1 - t) z_0 + t noise
    t: Tensor  # (B,)

    @staticmethod
    def at(z_0: Tensor, noise: Tensor, t: Tensor) -> "Noised":
        """Mix samples with noise at times (B,)."""
        s = t.view(-1, *[1] * (z_0.ndim - 1)).to(z_0)
        return Noised(z_0, (1 - s) * z_0 + s * noise, t)


def forward_loss(v: Tensor, v_old: Tensor, noised: Noised, share: Tensor, beta: float) -> Tensor:
    """DiffusionNFT's loss of each row, (B,), without its factor: r L+ / b + (1 - r) L- / b.

    v+ = b v + (1 - b) v_old is pulled to good samples and v- = (1 + b) v_old - b v, on the other
    side of v_old, to bad ones. L is the squared error of the z_0 that they predict, divided by that
    prediction's own detached mean absolute error.

    Args:
        v: (B, C, T, h, w) of the policy, differentiable.
        v_old: of the policy that drew the samples.
        noised: what both looked at.
        share: (B,) r in 0..1: how good the sample is.
        beta: b, above 0.

    """
    exact = torch.promote_types(v.dtype, torch.float32)
    v, v_old, z_0, z_t = (x.to(exact) for x in (v, v_old, noised.z_0, noised.z_t))
    t = noised.t.view(-1, *[1] * (v.ndim - 1)).to(v)
    parts = []
    for mixed in (beta * v + (1 - beta) * v_old, (1 + beta) * v_old - beta * v):
        gap = z_t - t * mixed - z_0
        size = row_mean(gap.detach().abs()).clamp(min=1e-5)
        parts.append(row_mean(gap.square()) / size)
    good, bad = parts
    return (share * good + (1 - share) * bad) / beta
