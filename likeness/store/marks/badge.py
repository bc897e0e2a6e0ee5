"""A mark that people see: a badge in the picture's lower right corner."""

import cv2
import numpy as np

LONG, SHORT = "AI-generated", "AI"
_LONG_FROM = 160  # pixels of width: below it the long words can't be read
_HEIGHT = 0.05  # of the picture's height, taken by the letters
_SMALLEST = 7  # pixels of letters that can still be read
_SHADE = 0.6  # how dark the badge is behind the letters
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 21.0  # pixels of a capital letter at scale 1


def draw(frames: np.ndarray) -> np.ndarray:
    """Put the badge on every frame: `AI-generated`, or `AI` where that can't be read.

    Args:
        frames: (T, H, W, 3) uint8.

    Returns:
        New frames of the same shape.

    """
    height, width = frames.shape[1:3]
    words = LONG if width >= _LONG_FROM else SHORT
    scale = max(_SMALLEST, _HEIGHT * height) / _FONT_HEIGHT
    thick = max(1, round(scale * 1.5))
    (long, high), base = cv2.getTextSize(words, _FONT, scale, thick)
    pad = max(1, high // 3)
    left, top = max(0, width - long - 3 * pad), max(0, height - high - base - 3 * pad)
    marked = frames.copy()
    place = marked[:, top : height - pad, left : width - pad]
    place[:] = np.rint(place * (1 - _SHADE)).astype(np.uint8)
    for frame in marked:
        where = (left + pad, top + pad + high)
        cv2.putText(frame, words, where, _FONT, scale, (255, 255, 255), thick, cv2.LINE_AA)
    return marked
