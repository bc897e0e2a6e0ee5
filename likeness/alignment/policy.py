"""What alignment needs of a generator, so that no loop knows which model it trains."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor


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
