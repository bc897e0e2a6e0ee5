"""What alignment needs of a generator, so that no loop knows which model it trains."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor

from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import Velocity
from likeness.model.sampling.stochastic import Trajectory


class Conditioning(Protocol):
    """What a batch of generations is conditioned on: audio, reference, background, prompt."""

    @staticmethod
    def stack(conditions: list[Any], /) -> Any:
        """Join batches one after the other."""
        ...

    def to(self, device: torch.device, /) -> Any:
        """Move all tensors."""
        ...


class Policy(Protocol):
    """A generator with a frozen base and a trainable adapter (LoRA) on it.

    `velocity` must be a function of its arguments and the weights alone: no dropout, no hidden
    random state. A resumed run repeats an uninterrupted one only then.
    """

    @property
    def hash(self) -> str:
        """Hash of all weights; before `add_lora`, of the base."""
        ...

    def velocity(self, z_t: Tensor, t: Tensor, condition: Any, /) -> Tensor:
        """Velocity (B, C, T, h, w) at z_t of the same shape and t (B,), differentiable."""
        ...

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        """Put a fresh adapter on the base that changes nothing yet; the same seed, the same one."""
        ...

    def adapters_off(self) -> AbstractContextManager[Any]:
        """Within it, `velocity` is that of the base."""
        ...

    def trainable(self) -> Mapping[str, torch.nn.Parameter]:
        """Give the adapter's parameters by name, always in the same order."""
        ...

    def lora_state(self) -> dict[str, Tensor]:
        """Copy the adapter's weights, by name."""
        ...

    def load_lora(self, state: dict[str, Tensor], /) -> None:
        """Replace the adapter's weights, in place."""
        ...


class SamplingPolicy(Policy, Protocol):
    """A policy that draws samples itself: what learning from rewards needs besides.

    ``shared`` is everywhere what `encode_reference` gave for the same condition and weights.
    """

    @property
    def sampler_settings(self) -> SamplerSettings:
        """Steps, shift and guidance of the checkpoint."""
        ...

    def encode_reference(self, condition: Any, /) -> Any:
        """Run the reference stream, for all samples, steps and branches of a condition."""
        ...

    def guided_velocity(
        self, condition: Any, settings: SamplerSettings, /, *, each: int, shared: Any
    ) -> Velocity:
        """Give the guided velocity for `each` rows a condition, as a function of z and t."""
        ...

    def sample(
        self, condition: Any, /, *, seeds: list[int], settings: SamplerSettings, shared: Any
    ) -> Tensor:
        """Draw latents (len(seeds), C, T, h, w) of one condition."""
        ...

    def rollout(
        self,
        condition: Any,
        /,
        *,
        seeds: list[int],
        settings: SamplerSettings,
        step_seeds: list[int],
        shared: Any,
    ) -> Trajectory:
        """Draw samples of one condition by a stochastic sampler and keep every step."""
        ...
