"""What a generator asks of its codec and of its ear, whichever a preset has."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
from torch import Tensor


class Codec(Protocol):
    """Pixels to latents and back: 8x in space, 4x in time, the first frame alone.

    Attributes:
        place: file or folder in a checkpoint's folder.

    """

    place: ClassVar[str]

    @property
    def channels(self) -> int:
        """Latent channels."""
        ...

    def encode(self, video: Tensor) -> Tensor:
        """Pixels (B, 1 + 4k, H, W, 3) in -1..1 to latents (B, C, 1 + k, H / 8, W / 8)."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pixels in about -1..1; differentiable in the latents."""
        ...

    def stream(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode latents that come in parts along time; pixels come as soon as they are known.

        Joined along time they are those of :meth:`decode` on the joined parts. Memory is that of a
        few latent frames, however many parts there are and however long.
        """
        ...

    def state_dict(self) -> Mapping[str, Any]:
        """Return the weights by name."""
        ...

    def save(self, path: Path) -> None:
        """Write to ``path``."""
        ...

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote."""
        ...


class SpeechEncoder(Protocol):
    """Speech to rows at the video's rate.

    A row of zeros is none that speech gives: it stands for no audio at all, in the branch that
    guidance compares with and where training drops the speech. Silence has rows of its own.

    Attributes:
        place: folder in a checkpoint's folder, or None where it has no weights.

    """

    place: ClassVar[str | None]

    def width(self, fps: float) -> int:
        """Numbers of a row."""
        ...

    def __call__(self, audio: np.ndarray, frames: int, fps: float) -> np.ndarray:
        """Speech (samples,) float32 at 16 kHz in -1..1 to (frames, width) float32.

        Row f belongs to the f-th video frame. Beyond the speech lies silence; what goes beyond the
        frames is cut.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write into ``folder``, which is made."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        ...


def one_by_one(parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """Go through parts (B, C, t, h, w) a latent frame (B, C, 1, h, w) at a time."""
    for part in parts:
        yield from part.split(1, dim=2)
