"""Samplers that draw their steps and know how likely each was: what GRPO needs.

Sources: Flow-GRPO (arXiv 2505.05470), DanceGRPO (2505.07818), Flow-CPS (2509.05952). Time t runs
from 1 (noise) to 0 (clip), the velocity v is noise - z_0.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from likeness.model.config import ModelError
from likeness.model.sampling.solvers import Time, Velocity, euler_step, seeded_noise
from likeness.store.progress import Progress, silent

LogDensity = Literal["mean", "sum", "squares"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One stochastic step, which draws from Normal(mean, std).

    Attributes:
        latents: (B, ...) that were drawn, in the type they are kept in.
        mean: (B, ...) in float32 or better.
        std: (B or 1, 1, ...) of the whole step, sqrt(t - t_next) included.
        log_prob: (B,) of the latents, reduced as the sampler's ``log_density`` says.

    """

    latents: Tensor
    mean: Tensor
    std: Tensor
    log_prob: Tensor


@dataclass(frozen=True, kw_only=True)
class StochasticSampler(ABC):
    """Steps that draw from a normal distribution around a mean that is linear in z and v.

    Attributes:
        noise_level: how much noise a step adds; 0 is Euler's method.
        log_density: how the log-probability of a row comes from those of its elements. "mean" over
            them, as Flow-GRPO and DanceGRPO have it: ratios stay near 1, clips are 1e-5..1e-3.
            "sum" is the density itself. "squares" is minus the mean squared distance to the mean,
            without variance and constants, as Flow-CPS has it.
        window: numbers of the stochastic steps, from 0; the others are Euler's. None for all but
            the last, which is never stochastic: its noise would stay in the clip.

    """

    noise_level: float
    log_density: LogDensity = "mean"
    window: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.noise_level) and self.noise_level >= 0):
            raise ModelError(f"noise_level must be 0 or more, got {self.noise_level}")
        if self.log_density not in {"mean", "sum", "squares"}:
            raise ModelError(f"log_density must be mean, sum or squares, got {self.log_density!r}")

    @abstractmethod
    def coefficients(self, t: Tensor, t_next: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the factors of z and of v in the step's mean, and its std; shaped like ``t``."""

    def moments(self, z: Tensor, v: Tensor, t: Time, t_next: Time) -> tuple[Tensor, Tensor]:
        """Mean (B, ...) and std (B or 1, 1, ...) of the step from t to t_next.

        Computed in float32, or in float64 where z is; differentiable in z and v.
        """
        now, then = (torch.as_tensor(x, dtype=torch.float64) for x in (t, t_next))
        if not bool(((then >= 0) & (then < now) & (now <= 1)).all()):
            raise ModelError(
                f"a step goes from t in (0, 1] down to t_next >= 0, got {t} to {t_next}"
            )
        exact = torch.promote_types(z.dtype, torch.float32)
        columns = (-1, *[1] * (z.ndim - 1))
        of_z, of_v, std = (
            c.to(z.device, exact).view(columns) for c in self.coefficients(now, then)
        )
        return of_z * z.to(exact) + of_v * v.to(exact), std

    def step(self, z: Tensor, v: Tensor, t: Time, t_next: Time, noise: Tensor) -> Step:
        """Go from z at t under velocity v to t_next, with standard noise (B, ...)."""
        mean, std = self.moments(z, v, t, t_next)
        # What is scored is what is kept: a replay from rounded latents gives a ratio of exactly 1.
        latents = (mean + std * noise.to(mean)).to(z.dtype)
        return self.replay(latents, z, v, t, t_next)

    def replay(self, latents: Tensor, z: Tensor, v: Tensor, t: Time, t_next: Time) -> Step:
        """Ask how likely velocity v was to lead from z at t to these latents at t_next.

        Mean and log-probability are differentiable in v; the latents are taken as given, so no
        gradient flows into them.
        """
        mean, std = self.moments(z, v, t, t_next)
        log_prob = self._log_density(latents, mean, std)
        return Step(latents=latents, mean=mean, std=std, log_prob=log_prob)

    def stochastic_steps(self, steps: int) -> tuple[int, ...]:
        """Numbers of the stochastic ones out of ``steps``, ascending; none at noise level 0."""
        window = range(steps - 1) if self.window is None else sorted(self.window)
        if len(set(window)) < len(window) or not set(window) <= set(range(steps - 1)):
            raise ModelError(
                f"window must name steps of 0..{steps - 2} once each, got {self.window}: the last "
                f"of {steps} steps is deterministic, or its noise would stay in the clip"
            )
        return tuple(window) if self.noise_level else ()

    def _log_density(self, latents: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        if not bool((std > 0).all()):
            raise ModelError("no log-probability without noise: noise_level is 0, or t_next of CPS")
        gap = latents.detach().to(mean) - mean
        if self.log_density == "squares":
            return -gap.square().flatten(1).mean(1)
        each = -(gap / std).square() / 2 - std.log() - math.log(2 * math.pi) / 2
        rows = each.flatten(1)
        return rows.sum(1) if self.log_density == "sum" else rows.mean(1)


def _sde_coefficients(
    diffusion: Tensor, t: Tensor, t_next: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Euler-Maruyama of dz = (v + g^2 / (2 t) (z + (1 - t) v)) dt + g dw with g = diffusion.

    z + (1 - t) v is the noise that v predicts, -t times the score: the added noise and the pull
    against it cancel, and the marginals stay those of the flow.
    """
    dt = t_next - t
    pull = diffusion.square() / (2 * t)
    return 1 + pull * dt, (1 + pull * (1 - t)) * dt, diffusion * (-dt).sqrt()


@dataclass(frozen=True, kw_only=True)
class FlowSDE(StochasticSampler):
    """The SDE of Flow-GRPO: g = noise_level sqrt(t / (1 - t)).

    This is the g of its paper and image scripts; its script for Wan has one linear in t instead.
    The singularity at t = 1 is met as there: 1 - t becomes 1 - t_next, so that the first step's
    std is the noise level itself; however short, it inflates the variance by noise_level^4 / 4.

    Attributes:
        largest_std: a step's std is clipped to this, and the mean follows. GenRL takes 0.45 for
            Wan, after LongCat-Video (arXiv 2510.22200).

    """

    noise_level: float = 0.7
    largest_std: float = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.largest_std > 0:
            raise ModelError(f"largest_std must be positive, got {self.largest_std}")

    def coefficients(self, t: Tensor, t_next: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give those of the SDE under the clip."""
        cleared = torch.where(t > 1 - 1e-5, 1 - t_next, 1 - t)
        diffusion = self.noise_level * (t / cleared).sqrt()
        largest = self.largest_std / (t - t_next).sqrt()
        return _sde_coefficients(torch.minimum(diffusion, largest), t, t_next)


@dataclass(frozen=True, kw_only=True)
class DanceSDE(StochasticSampler):
    """The SDE of DanceGRPO: g = noise_level, whatever t.

    For early steps: where t_next is below noise_level sqrt(t - t_next), a step adds more noise than
    may be left, and the clip keeps it.
    """

    noise_level: float = 0.3

    def coefficients(self, t: Tensor, t_next: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give those of the SDE."""
        return _sde_coefficients(torch.full_like(t, self.noise_level), t, t_next)


@dataclass(frozen=True, kw_only=True)
class CPS(StochasticSampler):
    """Coefficients-preserving sampling of Flow-CPS: std = t_next sin(noise_level pi / 2).

    Mean: (1 - t_next) z_0 + sqrt(t_next^2 - std^2) noise, both as v predicts them. The amount of
    noise at t_next is right for any step, but the share of it that is replaced doesn't shrink with
    the step: as z_0 is an average, many stochastic steps narrow the distribution of clips.
    """

    noise_level: float = 0.7
    log_density: LogDensity = "squares"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise_level > 1:
            raise ModelError(f"noise_level of CPS must be 0..1, got {self.noise_level}")

    def coefficients(self, t: Tensor, t_next: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give those of the mean above, with z_0 = z - t v and noise = z + (1 - t) v."""
        angle = self.noise_level * math.pi / 2
        clean, kept = 1 - t_next, t_next * math.cos(angle)
        return clean + kept, (1 - t) * kept - t * clean, t_next * math.sin(angle)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectory:
    """A generation step by step.

    Attributes:
        sampler: made the stochastic steps.
        times: steps + 1 of them, from 1 to 0.
        latents: (B, ...) at each time.
        steps: the stochastic ones, by their number from 0; step i goes from times[i] to i + 1.

    """

    sampler: StochasticSampler
    times: tuple[float, ...]
    latents: tuple[Tensor, ...]
    steps: Mapping[int, Step]

    def replay(self, number: int, velocity: Velocity) -> Step:
        """Give a stochastic step as another velocity sees it; differentiable in that.

        Its log-probability minus the recorded one is the log of GRPO's ratio. It is exactly 0 for
        the velocity that made the trajectory, called on the same rows.
        """
        if number not in self.steps:
            raise ModelError(f"step {number} is not stochastic here, only {sorted(self.steps)} are")
        z, latents = self.latents[number : number + 2]
        t, t_next = self.times[number : number + 2]
        return self.sampler.replay(latents, z, velocity(z, t), t, t_next)


@torch.no_grad()
def rollout(
    velocity: Velocity,
    noise: Tensor,
    sampler: StochasticSampler,
    *,
    times: Sequence[float],
    seeds: list[int],
    progress: Progress = silent,
) -> Trajectory:
    """Generate from noise (B, ...) and remember how.

    Args:
        velocity: of the flow.
        noise: what to start from; rows of one group may share it.
        sampler: of the stochastic steps; the others are Euler's.
        times: from 1 down to 0, as :func:`likeness.model.sampling.shifted_times` gives them.
        seeds: one a row, of the stochastic steps' noise.
        progress: is told of each step.

    """
    if len(seeds) != len(noise):
        raise ModelError(f"{len(noise)} rows need as many seeds for their steps, got {len(seeds)}")
    total = len(times) - 1
    stochastic = sampler.stochastic_steps(total)
    latents, steps = [noise], {}
    for i in range(total):
        z, v = latents[i], velocity(latents[i], times[i])
        if i in stochastic:
            drawn = seeded_noise(tuple(z.shape[1:]), seeds, step=i)
            steps[i] = sampler.step(z, v, times[i], times[i + 1], drawn)
            latents.append(steps[i].latents)
        else:
            latents.append(euler_step(z, v, times[i], times[i + 1]))
        progress(i + 1, total, "denoising")
    return Trajectory(sampler=sampler, times=tuple(times), latents=tuple(latents), steps=steps)
