"""What an algorithm that learns from rewards has to do: collect samples of a group, and learn."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from likeness.alignment.grpo.judging import Asked
from likeness.alignment.grpo.settings import RolloutConfig, RolloutError
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import stream
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import Guidance

ORDER, SEEDS, WINDOW, TIMES = 0, 1, 2, 3  # streams of a run's seed


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The chance behind the samples of one group.

    Attributes:
        config: of the run.
        rollout: its number from 0.
        place: of the group in it.

    """

    config: RolloutConfig
    rollout: int
    place: int

    def seeds(self, count: int) -> list[int]:
        """Draw seeds of noise, of this group alone."""
        chance = stream(self.config.seed, SEEDS, self.rollout, self.place)
        return torch.randint(2**62, (count,), generator=chance).tolist()

    def settings(self, preset: SamplerSettings) -> SamplerSettings:
        """Put what the run asks for in the place of the checkpoint's."""
        given = {n: v for n in ("steps", "shift") if (v := getattr(self.config, n)) is not None}
        guidance = preset.guidance if self.config.guidance == "guided" else Guidance()
        return replace(preset, guidance=guidance, **given)


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """Samples of one condition.

    Attributes:
        asked: the condition.
        settings: how they were drawn.
        latents: (G, C, T, h, w) of the samples, to be judged.
        memory: what the algorithm keeps of their making.

    """

    asked: Asked
    settings: SamplerSettings
    latents: Tensor
    memory: Any


class Learnt(NamedTuple):
    """A group's part of an update.

    Attributes:
        loss: mean over the samples that count, differentiable.
        metrics: detached means over them.
        departure: how far the policy is from the one that drew the samples, the largest of all
            rows: 0 before the first update.

    """

    loss: Tensor
    metrics: Mapping[str, Tensor]
    departure: float


class Algorithm(Protocol):
    """How samples are collected, and how the policy learns from their advantages.

    Implementations are frozen dataclasses of their settings.
    """

    @property
    def old_decay(self) -> float:
        """How much of the policy that draws samples stays after a rollout: 0 to draw by the last.

        Above 0 samples are drawn by a moving average of the policies, which the run saves.
        """
        ...

    def check(self, config: RolloutConfig, steps: int) -> None:
        """Refuse settings that don't go with this number of sampler steps.

        Raises:
            RolloutError: the message says which.

        """
        ...

    def collect(self, policy: SamplingPolicy, asked: Asked, draw: Draw) -> Collected:
        """Draw the samples of one condition; called without gradients.

        The reference stream runs once for all of them.
        """
        ...

    def learn(
        self, policy: SamplingPolicy, collected: Collected, advantage: Tensor, counts: Tensor
    ) -> Learnt:
        """Give the loss of a group under the present weights.

        The reference stream runs anew, once for the group: the weights have changed.

        Args:
            policy: learns.
            collected: its samples.
            advantage: (G,).
            counts: (G,) bool: which samples count; at least one.

        """
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does: how it draws and learns, and by which algorithm."""

    algorithm: Algorithm
    config: RolloutConfig

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by name, for the run's origin."""
        name = type(self.algorithm).__name__.lower()
        return {**asdict(self.config), name: asdict(cast(Any, self.algorithm))}


def mean_of(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of (G,) over the samples that count; 0 where none does."""
    return values[counts].sum() / counts.sum().clamp(min=1)


def within(table: str, name: str, value: float, low: float, high: float) -> None:
    """Refuse a value outside of a closed range."""
    if not low <= value <= high:
        raise RolloutError(f"alignment.{table}.{name} must be {low:g}..{high:g}, got {value}")


def check_kl_is_measured(table: str, kl: float, config: RolloutConfig) -> None:
    """Refuse a limit of what is not measured."""
    if config.kl_limit is not None and not kl:
        raise RolloutError(
            f"alignment.rollouts.kl_limit needs alignment.{table}.kl above 0: at 0 the KL is not "
            "measured"
        )
