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


class Shared(Protocol):
    """What a policy's reference stream leaves for all who share its conditions."""

    def repeat(self, seen: list[bool], /) -> Any:
        """Repeat along the batch, once for each of `seen`; those of False go without."""
        ...


class Policy(Protocol):
    """A generator with weights that learn, an adapter (LoRA) as a rule, and a frozen reference.

    `velocity` must be a function of its arguments and the weights alone: no dropout, no hidden
    random state. A resumed run repeats an uninterrupted one only then.
    """

    @property
    def hash(self) -> str:
        """Hash of all weights; before `add_lora`, of the base."""
        ...

    def velocity(self, z_t: Tensor, t: Tensor, condition: Any, /, *, shared: Any = None) -> Tensor:
        """Velocity (B, C, T, h, w) at z_t of the same shape and t (B,), differentiable.

        `shared` is what `encode_reference` gave for the same conditions and weights.
        """
        ...

    def encode_reference(self, condition: Any, /) -> Shared:
        """Run the reference stream of conditions, differentiable."""
        ...

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        """Put a fresh adapter on the base that changes nothing yet; the same seed, the same one."""
        ...

    def unfreeze(self) -> None:
        """Let all weights learn."""
        ...

    def adapters_off(self) -> AbstractContextManager[Any]:
        """Within it, `velocity` is that of the base."""
        ...

    def keep_reference(self) -> None:
        """Let a frozen copy of what learns, as it is now, be the reference."""
        ...

    def as_reference(self) -> AbstractContextManager[Any]:
        """Within it, `velocity` is that of the reference: what was kept, or the base."""
        ...

    def sync_reference(self, mix: float) -> None:
        """Move what was kept by a share of the way to what learns; 1 copies it."""
        ...

    def reference_state(self) -> dict[str, Tensor]:
        """Copy the weights that were kept, by the names of `lora_state`."""
        ...

    def load_reference(self, state: dict[str, Tensor], /) -> None:
        """Replace the weights that were kept, in place."""
        ...

    def trainable(self) -> Mapping[str, torch.nn.Parameter]:
        """Give the parameters that learn by name, always in the same order."""
        ...

    def lora_state(self) -> dict[str, Tensor]:
        """Copy the weights that learn, by name: the adapter's, or all after `unfreeze`."""
        ...

    def load_lora(self, state: dict[str, Tensor], /) -> None:
        """Replace the weights that learn, in place."""
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
