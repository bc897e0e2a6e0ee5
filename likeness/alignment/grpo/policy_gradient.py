"""GRPO on stochastic steps: Flow-GRPO (2505.05470), DanceGRPO (2505.07818), Flow-CPS (2509.05952).

With GRPO-Guard (2510.22319) and GenRL's choices for video by settings.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from likeness.alignment.grpo.interface import (
    WINDOW,
    Collected,
    Draw,
    Learnt,
    check_kl_is_measured,
    mean_of,
    within,
)
from likeness.alignment.grpo.judging import Asked
from likeness.alignment.grpo.objectives import (
    clipped_loss,
    gaussian_kl,
    guarded_log_ratio,
    video_weight,
)
from likeness.alignment.grpo.settings import RolloutConfig, RolloutError, not_negative, positive
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import stream
from likeness.model.sampling.solvers import Velocity
from likeness.model.sampling.stochastic import (
    CPS,
    DanceSDE,
    FlowSDE,
    Step,
    StochasticSampler,
    Trajectory,
)

Window = tuple[int, ...]

STEPS: dict[str, Callable[["GRPO", Window], StochasticSampler]] = {
    "flow_sde": lambda c, window: FlowSDE(
        noise_level=c.noise_level, largest_std=c.largest_std, window=window
    ),
    "dance": lambda c, window: DanceSDE(noise_level=c.noise_level, window=window),
    "cps": lambda c, window: CPS(noise_level=c.noise_level, window=window),
}


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Settings, and the algorithm; the defaults are GenRL's for Wan where it states them.

    Attributes:
        sampler: "flow_sde" (std = a sqrt(t / (1 - t)), as Flow-GRPO's paper and image scripts have
            it; its script for Wan has one linear in t, which is not here), "dance" (std = a) or
            "cps" (log-probability without variance, -mean((next - mean)^2)).
        noise_level: a, or DanceGRPO's eta.
        largest_std: of a Flow-SDE step, sqrt|dt| included.
        sde_steps: stochastic steps a rollout, one after the other; the others are deterministic.
        sde_range: they lie within the first so many steps, at a place drawn for each rollout.
        shared_noise: samples of a group start from the same noise and differ by their steps alone.
        variant: "plain" is Flow-GRPO's loss; "reweighted" multiplies it by sqrt(t/(1-t))/sqrt|dt|
            and the KL by the square; "guard" is GRPO-Guard: centred ratios, divided by |dt|.
        clip: of the ratio.
        kl: weight of the KL to the base (adapter off), for a KL with dt in it.

    """

    sampler: Literal["flow_sde", "dance", "cps"] = "flow_sde"
    noise_level: float = 0.7
    largest_std: float = 0.45
    sde_steps: int = 1
    sde_range: int = 6
    shared_noise: bool = True
    variant: Literal["plain", "reweighted", "guard"] = "reweighted"
    clip: float = 1e-3
    kl: float = 3e-4

    def __post_init__(self) -> None:
        positive("grpo", self, "noise_level", "sde_steps", "sde_range", "clip")
        not_negative("grpo", self, "kl")
        if not self.largest_std > 0:
            raise RolloutError(
                f"alignment.grpo.largest_std must be positive, got {self.largest_std}"
            )
        if self.sampler == "cps":
            within("grpo", "noise_level", self.noise_level, 0, 1)
        if self.sampler == "cps" and self.variant == "guard":
            raise RolloutError(
                'alignment.grpo.variant "guard" needs the log-probability of a normal '
                'distribution, and that of "cps" has no variance; take "flow_sde" or "dance"'
            )
        if self.sde_steps > self.sde_range:
            raise RolloutError(
                f"alignment.grpo.sde_steps must be at most sde_range, got {self.sde_steps} of "
                f"{self.sde_range}"
            )

    @property
    def old_decay(self) -> float:
        """Samples are drawn by the policy as it is."""
        return 0.0

    def check(self, config: RolloutConfig, steps: int) -> None:
        """Refuse a range that reaches the last step, which is never stochastic."""
        check_kl_is_measured("grpo", self.kl, config)
        if self.sde_range > steps - 1:
            raise RolloutError(
                f"alignment.grpo.sde_range must be at most {steps - 1}, got {self.sde_range}: the "
                f"last of {steps} steps (rollouts.steps, or the checkpoint's) is deterministic"
            )

    def window(self, draw: Draw) -> Window:
        """Choose the stochastic steps: the same for all groups of a rollout."""
        chance = stream(draw.config.seed, WINDOW, draw.rollout)
        places = self.sde_range - self.sde_steps + 1
        start = int(torch.randint(places, (1,), generator=chance))
        return tuple(range(start, start + self.sde_steps))

    def collect(self, policy: SamplingPolicy, asked: Asked, draw: Draw) -> Collected:
        """Draw a group and keep its stochastic steps."""
        settings = replace(
            draw.settings(policy.sampler_settings),
            sampler=STEPS[self.sampler](self, self.window(draw)),
        )
        count = draw.config.group
        seeds = draw.seeds(2 * count)
        path = policy.rollout(
            asked.condition,
            seeds=seeds[:1] * count if self.shared_noise else seeds[:count],
            step_seeds=seeds[count:],
            settings=settings,
            shared=policy.encode_reference(asked.condition),
        )
        return Collected(asked=asked, settings=settings, latents=path.latents[-1], memory=path)

    def learn(
        self, policy: SamplingPolicy, collected: Collected, advantage: Tensor, counts: Tensor
    ) -> Learnt:
        """Replay the stochastic steps and compare their probabilities with the recorded ones."""
        path: Trajectory = collected.memory
        # First, for switching adapters off and on ends what a forward with gradients has built.
        reference = self._reference(policy, collected) if self.kl else None
        velocity = _velocity(policy, collected)
        losses, found, departure = [], [], 0.0
        for number, old in path.steps.items():
            now = path.replay(number, velocity)
            weights = self._weights(path, number)
            log_ratio = now.log_prob - old.log_prob
            departure = max(departure, float(log_ratio.detach().abs().max()))
            if self.variant == "guard":
                log_ratio = guarded_log_ratio(log_ratio, now.mean, old.mean, now.std)
            loss = weights[0] * clipped_loss(log_ratio, advantage.to(log_ratio), self.clip)
            ratio = log_ratio.detach().exp()
            row = {
                "policy_loss": loss.detach(),
                "ratio": ratio,
                "ratio_off": (ratio - 1).abs(),
                "clip_share": ((ratio - 1).abs() > self.clip).to(ratio.dtype),
            }
            if reference is not None:
                kl = gaussian_kl(now.mean, reference[number].mean, now.std)
                loss = loss + self.kl * weights[1] * kl
                row["kl"] = kl.detach()
            losses.append(loss)
            found.append({**row, "loss": loss.detach()})
        metrics = {
            name: mean_of(torch.stack([row[name] for row in found]).mean(0), counts)
            for name in found[0]
        }
        return Learnt(mean_of(torch.stack(losses).mean(0), counts), metrics, departure)

    def _weights(self, path: Trajectory, number: int) -> tuple[float, float]:
        """Weights of a step's policy loss and of its KL."""
        t, t_next = path.times[number : number + 2]
        if self.variant == "reweighted":
            weight = video_weight(t, t_next)
            return weight, weight**2
        return (1 / (t - t_next) if self.variant == "guard" else 1.0), 1.0

    @torch.no_grad()
    def _reference(self, policy: SamplingPolicy, collected: Collected) -> dict[int, Step]:
        """See the steps as the base does."""
        path: Trajectory = collected.memory
        with policy.adapters_off():
            velocity = _velocity(policy, collected)
            return {number: path.replay(number, velocity) for number in path.steps}


def _velocity(policy: SamplingPolicy, collected: Collected) -> Velocity:
    condition = collected.asked.condition
    return policy.guided_velocity(
        condition,
        collected.settings,
        each=len(collected.latents),
        shared=policy.encode_reference(condition),
    )
