"""What a step of training is given, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning

Pairing = Literal["same", "cross"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Clips to learn and what they are conditioned on.

    Attributes:
        clean: (B, C, T, h, w) latents of the target, motion latents left out.
        cond: conditions of the same rows.
        weight: (B, 1, T, h, w) weight of the error by region.
        boxes: (B, F, 4) face boxes of the target's frames in shares of width and height; a NaN
            row is a frame without a face.
        five: (B, F, 5, 2) landmarks in shares of width and height, NaN where unknown.
        portrait: (B, D) unit embedding of the person, from the reference; a NaN row is unknown.
        movement: (B, T, K) coefficients of the target's movement.
        audio: (B, samples) speech of the target at 16 kHz, from its first frame.

    """

    clean: Tensor
    cond: Conditioning
    weight: Tensor
    boxes: Tensor
    five: Tensor | None = None
    portrait: Tensor | None = None
    movement: Tensor | None = None
    audio: Tensor | None = None

    def __len__(self) -> int:
        return len(self.clean)

    def to(self, device: torch.device) -> "Batch":
        """Move all tensors."""
        return self._map(lambda value: value.to(device))

    def rows(self, rows: slice) -> "Batch":
        """Keep some rows."""
        return self._map(lambda value: value[rows])

    def _map(self, function: Callable[[Any], Any]) -> "Batch":
        mapped: dict[str, Any] = {}
        for name, value in vars(self).items():
            mapped[name] = None if value is None else function(value)
        return Batch(**mapped)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a stage wants of a batch.

    Attributes:
        batch: rows.
        pairing: reference and target from the same clip of a person, or from two.
        reference_frames: of the reference, 1 + 4k.
        motion: latent frames that are given, as in the further chunks of a long clip.
        anchor: whether a whole frame of the target's clip stands in for the background.

    """

    batch: int
    pairing: Pairing
    reference_frames: int
    motion: int = 0
    anchor: bool = False


class Source(Protocol):
    """Clips that batches are drawn from.

    What is drawn depends on the numbers of ``rng`` alone, and says which windows of which clips;
    it costs nothing, so that every process of a parallel run draws the whole batch and makes its
    own rows.
    """

    @property
    def hash(self) -> str:
        """Of the content."""
        ...

    @property
    def identities(self) -> tuple[str, ...]:
        """Who is shown, where known."""
        ...

    def draw(self, rng: np.random.Generator, wish: Wish, /) -> Any:
        """Choose windows."""
        ...

    def make(self, draw: Any, regions: Any, rows: slice, /) -> Batch:
        """Make these rows of a draw."""
        ...
