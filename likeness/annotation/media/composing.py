from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np

from likeness.annotation.media.loudness import RATE, levelled
from likeness.annotation.media.marks import SECONDS, stamp
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError

LEAST, MOST = 384, 1080  # pixels of a side: a face is to be seen, and a browser is to play it
GAP = 56  # pixels between the sides, where the mark is seen
_CONTROLS = 6  # the pane's height over that of the strip below, where players draw their controls
GREY = 118
_ALIKE = 0.95  # correlation from which two sounds are one; aac leaves more than 0.99


class ViewError(LikenessError):
    """Clips that can't be shown side by side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """What one file shows: one clip, or two side by side.

    Attributes:
        sides: the clips, the left one first.
        fps: frames a second.
        count: how many frames.
        audio: (samples,) float32, as long as the picture, levelled.
        mark: what is seen between the sides in the last moments, or None.
        notes: what had to be cut or changed.

    """

    sides: tuple[Clip, ...]
    fps: float
    count: int
    audio: np.ndarray
    sample_rate: int = RATE
    mark: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def pane(self) -> tuple[int, int]:
        """Height and width of each side in pixels, even."""
        tall, wide = 0, 0
        for clip in self.sides:
            width, height = clip.size
            factor = ceil(LEAST / min(height, width))
            tall, wide = max(tall, height * factor), max(wide, width * factor)
        shrink = min(1.0, MOST / max(tall, wide))
        return _even(tall * shrink), _even(wide * shrink)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture in pixels."""
        tall, wide = self.pane
        return wide * len(self.sides) + GAP * (len(self.sides) - 1), tall + _even(tall / _CONTROLS)

    def frames(self) -> Iterator[np.ndarray]:
        """Yield the picture, (H, W, 3) uint8 RGB; each call begins anew."""
        tall, wide = self.pane
        width, height = self.size
        last = self.count - max(1, round(SECONDS * self.fps))
        for index in range(self.count):
            canvas = np.full((height, width, 3), GREY, np.uint8)
            for place, clip in enumerate(self.sides):
                shown = clip.frames[_at(index, self.fps, clip)]
                start = place * (wide + GAP)
                _letterbox(shown, canvas[:tall, start : start + wide])
            if self.mark is not None and index >= last:
                stamp(canvas[:tall, wide : wide + GAP], self.mark)
            yield canvas


def compose(
    left: Clip, right: Clip, *, mark: str | None = None, sound: tuple[np.ndarray, int] | None = None
) -> View:
    """Put two clips of one condition side by side, at one size, rate, length and loudness.

    The longer is cut to the shorter, the faster thinned to the slower. There is one sound for
    both, because the samples of a condition share what drives them.

    Args:
        left: the clip that stands left.
        right: the other.
        mark: what is to be seen at the end; see `marks`.
        sound: the driving audio (samples,) float32 and its rate; without it the clips' own is
            taken, which must be the same on both sides.

    Raises:
        ViewError: the clips sound different, and no driving audio is given.

    """
    fps = min(left.fps, right.fps)
    seconds = min(left.duration, right.duration)
    count = max(1, round(seconds * fps))
    notes = []
    if left.fps != right.fps:
        notes.append(
            f"shown at {fps:g} frames a second; the sides have {left.fps:g} and {right.fps:g}"
        )
    if abs(left.duration - right.duration) > 0.5 / fps:
        notes.append(
            f"cut to {seconds:.2f} s; the sides last {left.duration:.2f} s and "
            f"{right.duration:.2f} s"
        )
    audio, rate = sound or _shared(left, right)
    if not audio.size:
        notes.append("neither side has sound")
    return View(
        sides=(left, right),
        fps=fps,
        count=count,
        audio=_fitted(audio, rate, count / fps),
        mark=mark,
        notes=tuple(notes),
    )


def alone(clip: Clip) -> View:
    """Show a clip by itself, such as the reference, made like the others."""
    count = len(clip)
    audio = _fitted(clip.audio, clip.sample_rate, count / clip.fps)
    return View(sides=(clip,), fps=clip.fps, count=count, audio=audio)


def _shared(left: Clip, right: Clip) -> tuple[np.ndarray, int]:
    """Return the sound of both; of which of them says nothing of who stands where."""
    first, second = sorted((left, right), key=lambda clip: clip.hash)
    if not first.audio.size and not second.audio.size:
        return first.audio, first.sample_rate
    seconds = min(left.duration, right.duration)
    a, b = (_fitted(clip.audio, clip.sample_rate, seconds) for clip in (first, second))
    quiet = not a.any() and not b.any()
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    if quiet or (scale and float(a @ b) / scale >= _ALIKE):
        return first.audio, first.sample_rate
    raise ViewError(
        f"clips {left.hash[:12]} and {right.hash[:12]} sound different; give the driving audio of "
        "their condition, and where a defect is of the sound, move the picture instead"
    )


def _fitted(audio: np.ndarray, rate: int, seconds: float) -> np.ndarray:
    """Cut or fill up sound to a length, and level it. Returns (seconds * RATE,) float32."""
    wanted = round(seconds * RATE)
    heard = levelled(audio[: ceil(seconds * rate)], rate) if audio.size else audio
    return np.pad(heard[:wanted], (0, max(0, wanted - len(heard))))


def _at(index: int, fps: float, clip: Clip) -> int:
    """Return which frame of a clip is on screen at the middle of a frame of the view."""
    return min(int((index + 0.5) / fps * clip.fps), len(clip) - 1)


def _letterbox(frame: np.ndarray, pane: np.ndarray) -> None:
    """Draw a frame (h, w, 3) as large as it fits into the middle of a pane (H, W, 3)."""
    import cv2

    height, width = frame.shape[:2]
    scale = min(pane.shape[0] / height, pane.shape[1] / width)
    tall, wide = round(height * scale), round(width * scale)
    way = cv2.INTER_CUBIC if scale >= 1 else cv2.INTER_AREA
    top, start = (pane.shape[0] - tall) // 2, (pane.shape[1] - wide) // 2
    pane[top : top + tall, start : start + wide] = cv2.resize(
        frame, (wide, tall), interpolation=way
    )


def _even(pixels: float) -> int:
    """Round up to an even number: yuv420p halves both sizes."""
    return 2 * ceil(round(pixels) / 2)
