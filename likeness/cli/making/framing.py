"""Pictures brought to the model's shape without being stretched."""

from dataclasses import dataclass

import cv2
import numpy as np

from likeness.cli.loop.own.framing import CENTRE, HEIGHT_SHARE

Size = tuple[int, int]  # height and width in pixels


@dataclass(frozen=True, kw_only=True)
class Window:
    """A part of a picture.

    Attributes:
        left, top: of its corner in pixels; may lie outside the picture.
        width, height: in pixels.

    """

    left: int
    top: int
    width: int
    height: int

    def cut(self, frames: np.ndarray, size: Size) -> np.ndarray:
        """Cut (T, H, W, C) uint8 and resize it; the picture's edge goes on beyond its end."""
        rows = np.clip(np.arange(self.top, self.top + self.height), 0, frames.shape[1] - 1)
        columns = np.clip(np.arange(self.left, self.left + self.width), 0, frames.shape[2] - 1)
        method = cv2.INTER_AREA if self.height > size[0] else cv2.INTER_LINEAR
        cut = [
            cv2.resize(frame[rows][:, columns], size[::-1], interpolation=method)
            for frame in frames
        ]
        return np.stack(cut)

    def boxes(self, boxes: np.ndarray, size: Size) -> np.ndarray:
        """Move (T, 4) boxes of the picture into the window brought to ``size``."""
        corner = np.array([self.left, self.top] * 2)
        scale = np.array([size[1] / self.width, size[0] / self.height] * 2)
        return ((boxes - corner) * scale).astype(np.float32)


def widest(picture: Size, shape: Size, centre: tuple[float, float] | None = None) -> Window:
    """Take as much of a picture as has the proportions of ``shape``.

    Args:
        picture: its height and width.
        shape: height and width of those proportions.
        centre: x and y in pixels to have as near the middle as the picture allows.

    """
    height, width = picture
    scale = min(height / shape[0], width / shape[1])
    high, wide = (max(1, min(n, round(s * scale))) for n, s in zip(picture, shape, strict=True))
    x, y = centre or (width / 2, height / 2)
    left = int(np.clip(round(x - wide / 2), 0, width - wide))
    top = int(np.clip(round(y - high / 2), 0, height - high))
    return Window(left=left, top=top, width=wide, height=high)


def around_head(box: np.ndarray, shape: Size) -> Window:
    """Frame a face box (4,) as the testbed and own clips are framed, in the shape's proportions."""
    left, top, right, bottom = box
    height = max(1, round((bottom - top) / HEIGHT_SHARE))
    width = max(1, round(height * shape[1] / shape[0]))
    return Window(
        left=round((left + right) / 2 - CENTRE[0] * width),
        top=round((top + bottom) / 2 - CENTRE[1] * height),
        width=width,
        height=height,
    )
