"""DiffusionNFT (arXiv 2509.16117): learns on noised samples, with any sampler and no likelihood.

Of each sample a velocity is learnt that goes towards it where it is good and away where it is bad.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from likeness.alignment.grpo.interface import (
    TIMES,
    Collected,
    Draw,
    Learnt,
    check_kl_is_measured,
    mean_of,
)
from likeness.alignment.grpo.judging import Asked
from likeness.alignment.grpo.objectives import Noised, forward_loss, preference_share, row_mean
from likeness.alignment.grpo.settings import RolloutConfig, RolloutError, not_negative, positive
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import stream
from likeness.model.sampling.solvers import Velocity, seeded_noise


@dataclass(frozen=True, kw_only=True)
class NFT:
    """Settings, and the algorithm.

    Attributes:
        sampler: deterministic, of the samples.
        beta: b, how far beyond the old policy the implicit good and bad ones lie.
        kl: weight of the mean squared difference of velocities to the base (adapter off).
        draws: of time and noise for each sample: forwards an update.
        timesteps: lowest and highest t, drawn evenly; 1 is noise.
        old_decay: how much of the policy that draws samples stays after a rollout; 0 draws by the
            last one. Constant here; the published code raises it by the step.

    """

    sampler: Literal["euler", "unipc"] = "euler"
    beta: float = 1.0
    kl: float = 1e-4
    draws: int = 1
    timesteps: tuple[float, float] = (0.0, 1.0)
    old_decay: float = 0.0

    def __post_init__(self) -> None:
        positive("nft", self, "beta", "draws")
        not_negative("nft", self, "kl", "old_decay")
        if not self.old_decay < 1:
            raise RolloutError(
                f"alignment.nft.old_decay must be 0 or more and below 1, got {self.old_decay}: at "
                "1 the policy that draws samples never learns"
            )
        low, high = self.timesteps
        if not 0 <= low < high <= 1:
            raise RolloutError(
                f"alignment.nft.timesteps must be two numbers rising within 0..1, got "
                f"{self.timesteps}"
            )

    def check(self, config: RolloutConfig, steps: int) -> None:
        """Refuse a limit of the KL that is not measured; any number of steps will do."""
        check_kl_is_measured("nft", self.kl, config)

    def collect(self, policy: SamplingPolicy, asked: Asked, draw: Draw) -> Collected:
        """Draw a group, noise it, and keep what the old policy and the base say of that."""
        settings = replace(draw.settings(policy.sampler_settings), sampler=self.sampler)
        count = draw.config.group
        seeds = draw.seeds(count * (1 + self.draws))
        shared = policy.encode_reference(asked.condition)
        z_0 = policy.sample(asked.condition, seeds=seeds[:count], settings=settings, shared=shared)
        chance = stream(draw.config.seed, TIMES, draw.rollout, draw.place)
        low, high = self.timesteps
        noised = []
        for number in range(1, self.draws + 1):
            t = low + (high - low) * torch.rand(count, generator=chance)
            noise = seeded_noise(tuple(z_0.shape[1:]), seeds[number * count : (number + 1) * count])
            noised.append(Noised.at(z_0, noise.to(z_0), t.to(z_0.device)))
        collected = Collected(asked=asked, settings=settings, latents=z_0, memory=None)
        velocity = _velocity(policy, collected, shared)
        old = [velocity(row.z_t, row.t) for row in noised]
        base = [None] * self.draws if not self.kl else self._base(policy, collected, noised)
        memory = [_Seen(*row) for row in zip(noised, old, base, strict=True)]
        return replace(collected, memory=(memory, draw.config.clamp))

    def _base(
        self, policy: SamplingPolicy, collected: Collected, noised: list[Noised]
    ) -> list[Tensor]:
        with policy.adapters_off():
            velocity = _velocity(
                policy, collected, policy.encode_reference(collected.asked.condition)
            )
            return [velocity(row.z_t, row.t) for row in noised]

    def learn(
        self, policy: SamplingPolicy, collected: Collected, advantage: Tensor, counts: Tensor
    ) -> Learnt:
        """Predict the velocity at the kept points and move it by the samples' worth."""
        memory, clamp = collected.memory
        velocity = _velocity(policy, collected, policy.encode_reference(collected.asked.condition))
        share = preference_share(advantage, clamp)
        losses, found, departure = [], [], 0.0
        for noised, old, base in memory:
            v = velocity(noised.z_t, noised.t)
            departure = max(departure, float((v.detach() - old).abs().max()))
            loss = clamp * forward_loss(v, old, noised, share.to(v), self.beta)
            row = {"policy_loss": loss.detach(), "old_gap": row_mean((v.detach() - old).square())}
            if base is not None:
                gap = row_mean((v - base).square())
                loss = loss + self.kl * gap
                row["kl"] = gap.detach()
            losses.append(loss)
            found.append({**row, "loss": loss.detach()})
        metrics = {
            name: mean_of(torch.stack([row[name] for row in found]).mean(0), counts)
            for name in found[0]
        }
        metrics["share"] = mean_of(share, counts)
        return Learnt(mean_of(torch.stack(losses).mean(0), counts), metrics, departure)


class _Seen(NamedTuple):
    """A draw of time and noise, and the velocities there."""

    noised: Noised
    old: Tensor
    base: Tensor | None


def _velocity(policy: SamplingPolicy, collected: Collected, shared: object) -> Velocity:
    return policy.guided_velocity(
        collected.asked.condition,
        collected.settings,
        each=len(collected.latents),
        shared=shared,
    )
