"""What a step of training is given, and where it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning

Pairing = Literal["same", "cross"]


@dataclass(frozen=True, kw_only=True)
class RegionWeights:
    """Weight of the flow-matching error by region; the face is small but is what people look at."""

    face: float = 1.5
    mouth: float = 4.0
    rest: float = 0.5


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
        movement: (B, F, K) coefficients of the target's movement, as ``rewards.movement`` gives
            them; NaN where unknown. None: of no clip.
        manner: (B, F_m, K) the same of the reference, or of more of its take than is shown.
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
    manner: Tensor | None = None
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

    def shaped(self, frames: int | None, size: int | None, /) -> "Source":
        """Give the same clips in windows of so many frames, their shorter side of so many pixels.

        None stands for what they have.

        Raises:
            LikenessError: this source can't be had in another shape.

        """
        ...

    def movement(self) -> np.ndarray:
        """All frames' coefficients of movement, (frames, K), to fit a scale on.

        Raises:
            LikenessError: there is none.

        """
        ...

    def draw(self, rng: np.random.Generator, wish: Wish, /) -> Any:
        """Choose windows."""
        ...

    def make(self, draw: Any, regions: RegionWeights, rows: slice, /) -> Batch:
        """Make these rows of a draw."""
        ...
