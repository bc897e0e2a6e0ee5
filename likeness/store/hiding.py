"""Where in a picture a person goes, hidden alike for everybody."""

import numpy as np
from numpy.typing import NDArray


def hidden_region(size: int) -> NDArray[np.bool_]:
    """Return the head-and-shoulders region that every take hides, (size, size) bool.

    Made of blocks of an eighth of the frame and the same for everybody, so it
    tells nothing of the person. Face, neck and shoulders never leave it; the
    tips of wide hair may, by up to three pixels at 64 x 64.
    """
    blocks = np.ones((8, 8), bool)
    blocks[:6, [0, 7]] = False
    blocks[0, [1, 6]] = False
    at = np.arange(size) * 8 // size
    return blocks[at][:, at]


def head_and_shoulders(height: int, width: int) -> NDArray[np.bool_]:
    """Return the region in the middle of the lower edge of a picture, (height, width) bool."""
    side = min(height, width)
    hidden = np.zeros((height, width), bool)
    left = (width - side) // 2
    hidden[height - side :, left : left + side] = hidden_region(side)
    return hidden


def region_around(left: int, top: int, side: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the region of a head whose square lies anywhere in a picture, ``shape`` bool.

    What is below the square is the body's, and hidden as the square's lowest part is.
    """
    blocks = hidden_region(8)
    down = np.minimum((np.arange(shape[0]) - top) * 8 // side, 7)
    across = (np.arange(shape[1]) - left) * 8 // side
    inside = (down >= 0)[:, None] & ((across >= 0) & (across < 8))
    return blocks[down.clip(0)][:, across.clip(0, 7)] & inside
