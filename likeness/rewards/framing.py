"""Parts of a picture around a head, brought to the model's shape without being stretched."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from likeness.rewards.faces import FaceTrack, interpolate

HEIGHT_SHARE = 0.68  # of the square, taken by the face box; its width then is about one half
CENTRE = (0.5, 0.52)  # of the face box in the square
MOUTH = (1.25, 0.8)  # width and height of the mouth box, in distances between the mouth's corners
BELOW = 0.1  # by how much of that distance the mouth box lies below the corners

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

    def track(self, track: FaceTrack, size: Size) -> FaceTrack:
        """Move a face's boxes and points of the picture into the window brought to ``size``."""
        corner = np.array([self.left, self.top])
        scale = np.array([size[1] / self.width, size[0] / self.height])
        return replace(
            track,
            boxes=self.boxes(track.boxes, size),
            five=((track.five - corner) * scale).astype(np.float32),
        )


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


def steady_square(track: FaceTrack) -> Window:
    """Frame a clip's face by its median place and height; the track has a face somewhere."""
    return around_head(np.nanmedian(track.boxes, axis=0), (1, 1))


def outside(track: FaceTrack, window: Window) -> float:
    """Share of frames whose face box is not wholly inside the window, 0..1."""
    boxes = interpolate(track)
    low = np.array([window.left, window.top])
    high = low + np.array([window.width, window.height])
    inside = (boxes[:, :2] >= low).all(1) & (boxes[:, 2:] <= high).all(1)
    return float(1 - inside.mean())


def mouth_boxes(track: FaceTrack) -> np.ndarray:
    """Boxes around the mouth's corners, (T, 4); missing frames are filled in between."""
    corners = track.five[:, 3:]
    width = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
    middle = corners.mean(axis=1) + np.stack([np.zeros_like(width), BELOW * width], axis=1)
    half = np.stack([MOUTH[0] * width, MOUTH[1] * width], axis=1) / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    times, known = np.arange(len(boxes)), np.flatnonzero(track.found)
    return np.stack([np.interp(times, known, boxes[known, k]) for k in range(4)], axis=1)


def fit_within(width: int, height: int, longest: int) -> tuple[int, int]:
    """Shrink a picture's size so that its longer side is at most ``longest`` pixels."""
    scale = min(1.0, longest / max(width, height))
    return max(1, math.floor(width * scale)), max(1, math.floor(height * scale))
