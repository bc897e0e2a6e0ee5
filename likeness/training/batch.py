"""What a training step gets from its data, whichever data these are."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Windows of B clips: what is to be generated, from what, and what is known of the truth.

    A window has F = 1 + 4k video frames. Where it goes on from motion latents, its F frames
    include those that the motion latents stand for, and ``clean`` holds the latents after them.

    Attributes:
        clean: (B, C, T, h, w) latents of the target, motion latents left out.
        cond: what it is generated from.
        weight: (B, 1, T, h, w) loss weights of regions.
        boxes: (B, F, 4) face boxes x0 y0 x1 y1 in shares of the frame's width and height; a NaN
            row is a frame without a face.
        five: (B, F, 5, 2) left eye, right eye, nose, left and right mouth corner as they lie in
            the image, x and y in shares of width and height; NaN where unknown. None: of no clip.
        portrait: (B, D) unit embedding of the person by the face recogniser, from the reference
            clip; NaN where unknown. None: of no clip.
        movement: (B, T, K) coefficients of the target's movement a latent frame, or None.
        audio: (B, samples) float32 of the target's speech at 16 kHz in -1..1, from the window's
            first frame on; NaN where there is none. None: of no clip.

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

    def map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        """Apply a function to every tensor, those of the conditions included."""
        mapped: dict[str, Any] = {}
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if isinstance(value, Conditioning):
                mapped[name] = value.map(function)
            else:
                mapped[name] = None if value is None else function(value)
        return Batch(**mapped)

    def __getitem__(self, rows: slice | list[int] | Tensor) -> "Batch":
        return self.map(lambda tensor: tensor[rows])

    def to(self, device: torch.device | str) -> "Batch":
        """Move every tensor."""
        return self.map(lambda tensor: tensor.to(device))
