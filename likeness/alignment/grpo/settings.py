"""Settings that all algorithms that learn from rewards have in common."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from likeness.alignment.guards import TrainingError

Scale = Literal["group", "global", "max_group", "none"]


class RolloutError(TrainingError):
    """Settings that can't be, or a run that must not go on."""


def positive(table: str, config: object, *names: str) -> None:
    """Refuse values that are not above 0 and finite."""
    for name in names:
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            raise RolloutError(f"alignment.{table}.{name} must be positive, got {value}")


def not_negative(table: str, config: object, *names: str) -> None:
    """Refuse values that are not 0 or more and finite."""
    for name in names:
        value = getattr(config, name)
        if not (math.isfinite(value) and value >= 0):
            raise RolloutError(f"alignment.{table}.{name} must be 0 or more, got {value}")


@dataclass(frozen=True, kw_only=True)
class RewardTerm:
    """How one reward counts.

    Attributes:
        weight: of its advantage; below 0 where less is better, 0 for a reward that only vetoes.
        least, most: a sample outside of them is vetoed; None for no limit. A reward of weight 0
            that is missing vetoes nothing; one with a weight leaves the sample out.
        stop_above: the run stops when the mean over a rollout is above: where true clips are, a
            reward that goes on rising is being fooled. None for no limit.

    """

    weight: float = 1.0
    least: float | None = None
    most: float | None = None
    stop_above: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise RolloutError(
                f"alignment.rollouts.rewards: a weight must be finite, got {self.weight}"
            )
        if self.weight == 0 and self.least is None and self.most is None:
            raise RolloutError(
                "alignment.rollouts.rewards: a reward of weight 0 must have a least or a most"
            )


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """How samples are drawn, judged and learnt from.

    Attributes:
        rewards: by name.
        rollouts: of the run; what a step is in its metrics and checkpoints.
        groups: conditions a rollout.
        group: samples a condition.
        updates: optimizer steps a rollout; each learns from its share of the groups.
        steps: of the sampler; None for the checkpoint's, as for the shift.
        shift: of the sampler's times.
        guidance: "guided": samples are drawn, and steps scored, under the checkpoint's guidance of
            audio and text, and every branch learns (dual-guidance log-probability). "free": neither
            uses guidance and the plain conditional velocity learns, at a forward a step; guidance
            comes back when clips are made.
        scale: what advantages are divided by: "group", "global", "max_group" or "none".
        ddof: of the stds behind it: 0 as numpy's and Flow-GRPO's, 1 as torch's.
        clamp: largest advantage.
        veto_weight: of vetoes, times the rewards' weights.
        lora_rank: of the adapter.
        lora_alpha: the adapter is scaled by lora_alpha / lora_rank.
        lr: of AdamW, constant.
        grad_clip: largest norm of the gradient.
        kl_limit: the run stops when the mean KL of a rollout is above; None for no limit.
        replay_tolerance: how far a replay may be from the rollout before the first update: 0 for
            exactly equal, as on one processor with one type.
        seed: of adapter, order, noise and steps.
        save_every: rollouts between checkpoints.

    """

    rewards: Mapping[str, RewardTerm] = field(
        default_factory=lambda: {"identity_ref": RewardTerm()}
    )
    rollouts: int = 100
    groups: int = 8
    group: int = 8
    updates: int = 2
    steps: int | None = None
    shift: float | None = None
    guidance: Literal["guided", "free"] = "free"
    scale: Scale = "group"
    ddof: int = 0
    clamp: float = 5.0
    veto_weight: float = 2.0
    lora_rank: int = 128
    lora_alpha: float = 128.0
    lr: float = 1e-4
    grad_clip: float = 1.0
    kl_limit: float | None = None
    replay_tolerance: float = 0.0
    seed: int = 0
    save_every: int = 10

    def __post_init__(self) -> None:
        table = "rollouts"
        if not any(term.weight for term in self.rewards.values()):
            raise RolloutError("alignment.rollouts.rewards needs a reward of a weight other than 0")
        if self.group < 2:
            raise RolloutError(
                f"alignment.rollouts.group must be 2 or more, got {self.group}: a sample is judged "
                "against the others of its condition"
            )
        positive(table, self, "clamp", "veto_weight", "lora_alpha", "lr", "grad_clip")
        positive(table, self, "rollouts", "groups", "updates", "lora_rank", "save_every")
        not_negative(table, self, "replay_tolerance", "seed")
        for name in ("steps", "shift", "kl_limit"):
            if getattr(self, name) is not None:
                positive(table, self, name)
        if self.groups < self.updates:
            raise RolloutError(
                f"alignment.rollouts.groups must be at least updates, got {self.groups} for "
                f"{self.updates} updates: each learns from other groups"
            )
        if self.ddof not in (0, 1):
            raise RolloutError(f"alignment.rollouts.ddof must be 0 or 1, got {self.ddof}")
