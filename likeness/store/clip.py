import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, Protocol, get_args

import numpy as np

from likeness.store.errors import LikenessError

Origin = Literal["recorded", "testbed", "generated"]

ORIGINS: tuple[Origin, ...] = get_args(Origin)

PIECE = 64


class ClipError(LikenessError):
    """A clip that can't be: wrong shapes, types or ranges."""


class Footage(Protocol):
    """Moving pictures with their sound, read in pieces: a clip in memory, or a film on disk.

    What looks at every frame asks for pieces, so that its memory does not grow with the length.
    """

    @property
    def fps(self) -> float:
        """Frames a second, > 0; constant throughout."""
        ...

    @property
    def audio(self) -> np.ndarray:
        """(samples,) float32 mono in [-1, 1]; empty where there is no sound."""
        ...

    @property
    def sample_rate(self) -> int:
        """Audio samples a second."""
        ...

    @property
    def origin(self) -> Origin:
        """Whether a camera, the testbed or a generator made the frames."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        ...

    @property
    def hash(self) -> str:
        """Hash of what is seen and heard, the same for a film and for the clip read from it."""
        ...

    def __len__(self) -> int: ...

    def pieces(self, most: int = PIECE) -> Iterator[np.ndarray]:
        """Yield all frames in order: (n, H, W, 3) uint8 with n <= most; each call begins anew."""
        ...


def begin_hash(
    shape: tuple[int, ...], fps: float, samples: int, sample_rate: int
) -> "hashlib._Hash":
    """Begin the hash of footage; the bytes of all frames go in next, then those of the audio.

    Args:
        shape: of all frames, (T, H, W, 3).
        fps: frames a second.
        samples: of audio.
        sample_rate: of the audio.

    """
    return hashlib.sha256(f"{shape} {float(fps)!r} {(samples,)} {sample_rate}".encode())


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Moving pictures with their sound, in memory.

    The arrays belong to the clip: don't write into them, or `hash` stops telling the truth.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, T >= 1.
        fps: frames a second, > 0; constant through the clip.
        audio: (samples,) float32 mono in [-1, 1]; empty where there is no sound.
        sample_rate: audio samples a second.
        identity: who is shown, where known.
        scene: where and in which clothes, where known.
        origin: whether a camera, the testbed or a generator made the frames.

    Raises:
        ClipError: an attribute is out of its type, shape or range.

    """

    frames: np.ndarray
    fps: float
    audio: np.ndarray
    sample_rate: int
    identity: str | None = None
    scene: str | None = None
    origin: Origin = "recorded"

    def __post_init__(self) -> None:
        frames, audio = self.frames, self.audio
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ClipError(
                f"clip.frames must be (T, H, W, 3) uint8, got {frames.shape} {frames.dtype}"
            )
        if frames.size == 0:
            raise ClipError(f"clip.frames must hold at least one pixel, got shape {frames.shape}")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise ClipError(f"clip.fps must be positive, got {self.fps}")
        if audio.dtype != np.float32 or audio.ndim != 1:
            raise ClipError(
                f"clip.audio must be (samples,) float32, got {audio.shape} {audio.dtype}"
            )
        if audio.size and not np.abs(audio).max() <= 1.0:
            raise ClipError(
                f"clip.audio must be finite and within -1..1, got a peak of {np.abs(audio).max()}"
            )
        if self.sample_rate <= 0:
            raise ClipError(f"clip.sample_rate must be positive, got {self.sample_rate}")
        if self.origin not in ORIGINS:
            raise ClipError(f"clip.origin must be one of {', '.join(ORIGINS)}, got {self.origin!r}")

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def duration(self) -> float:
        """Seconds of picture."""
        return len(self.frames) / self.fps

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    def pieces(self, most: int = PIECE) -> Iterator[np.ndarray]:
        """Yield all frames in order: (n, H, W, 3) uint8 with n <= most."""
        for start in range(0, len(self.frames), most):
            yield self.frames[start : start + most]

    @property
    def hash(self) -> str:
        """SHA-256 of what is seen and heard: frames, fps, audio and its rate (64 hex digits)."""
        return self._hash

    @cached_property
    def _hash(self) -> str:
        digest = begin_hash(self.frames.shape, self.fps, len(self.audio), self.sample_rate)
        digest.update(np.ascontiguousarray(self.frames).data)
        digest.update(np.ascontiguousarray(self.audio).data)
        return digest.hexdigest()

    def window(self, start: int, frames: int) -> "Clip":
        """Cut out `frames` frames from frame `start` on, with the sound of the same time.

        Returns:
            A clip of exactly `frames` frames that shares memory with this one; its audio is
            shorter than its picture where this clip's is.

        Raises:
            ClipError: the window does not lie inside the clip.

        """
        if start < 0 or frames < 1 or start + frames > len(self.frames):
            raise ClipError(
                f"window of {frames} frames from frame {start} lies outside a clip of "
                f"{len(self.frames)} frames; give a longer clip or ask for fewer frames"
            )
        first = round(start / self.fps * self.sample_rate)
        samples = round(frames / self.fps * self.sample_rate)
        return replace(
            self,
            frames=self.frames[start : start + frames],
            audio=self.audio[first : first + samples],
        )
