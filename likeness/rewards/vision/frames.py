"""Which frames a vision-language model sees, and in what shape."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from PIL import Image

from likeness.store.clip import Footage


def each_second(footage: Footage, most: int | None = None) -> list[int]:
    """Choose the frame that begins each whole second, as Q-Align does.

    Args:
        footage: what to choose from; less than a second of it still gives its first frame.
        most: where there would be more, whole seconds are left out, evenly.

    """
    seconds = max(1, int(len(footage) / footage.fps))
    step = 1 if most is None else -(-seconds // most)
    return [min(int(footage.fps * second), len(footage) - 1) for second in range(0, seconds, step)]


def spread(length: int, count: int) -> list[int]:
    """Choose `count` frames evenly from first to last; frames repeat in shorter footage."""
    return [round(float(at)) for at in np.linspace(0, length - 1, count)]


def frames_at(footage: Footage, indices: Sequence[int]) -> Iterator[np.ndarray]:
    """Yield the frames of ascending indices, (H, W, 3) uint8, one piece in memory at a time."""
    wanted = iter(indices)
    index = next(wanted, None)
    start = 0
    for piece in footage.pieces():
        while index is not None and index < start + len(piece):
            yield piece[index - start]
            index = next(wanted, None)
        if index is None:
            return
        start += len(piece)


def batched(frames: Iterator[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Yield lists of at most `size` frames."""
    while batch := list(islice(frames, size)):
        yield batch


def square(frame: np.ndarray, colour: tuple[int, int, int], most: int) -> Image.Image:
    """Pad a frame to a square, the frame in its middle, and shrink it where it is larger.

    Args:
        frame: (H, W, 3) uint8.
        colour: of the padding, 0..255.
        most: side in pixels above which the square is brought to it, bicubically with
            antialiasing.

    """
    height, width = frame.shape[:2]
    side = max(height, width)
    padded = np.empty((side, side, 3), dtype=np.uint8)
    padded[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    padded[top : top + height, left : left + width] = frame
    picture = Image.fromarray(padded)
    if side > most:
        picture = picture.resize((most, most), Image.Resampling.BICUBIC)
    return picture


def curve(length: int, indices: Sequence[int], values: Sequence[float]) -> np.ndarray:
    """Lay values of chosen frames out over all frames: (length,), NaN between."""
    line = np.full(length, np.nan)
    line[list(indices)] = values
    return line
