"""One steady square around a head, framed as the testbed frames people."""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from likeness.rewards.faces import FaceTrack, interpolate

HEIGHT_SHARE = 0.68  # of the square, taken by the face box; its width then is about one half
CENTRE = (0.5, 0.52)  # of the face box in the square
MOUTH = (1.25, 0.8)  # width and height of the mouth box, in distances between the mouth's corners
BELOW = 0.1  # by how much of that distance the mouth box lies below the corners


@dataclass(frozen=True, kw_only=True)
class Square:
    """A part of a film's picture.

    Attributes:
        left, top: of its corner in pixels; may lie outside the picture.
        side: in pixels.

    """

    left: int
    top: int
    side: int

    def boxes(self, boxes: np.ndarray, size: int) -> np.ndarray:
        """Move (T, 4) boxes of the film into the square brought to ``size``."""
        corner = np.array([self.left, self.top] * 2)
        return ((boxes - corner) * (size / self.side)).astype(np.float32)

    def cut(self, frames: np.ndarray, size: int) -> np.ndarray:
        """Cut the square out of (T, H, W, 3) uint8; the picture's edge goes on beyond its end.

        Returns:
            (T, size, size, 3) uint8.

        """
        height, width = frames.shape[1:3]
        rows = np.clip(np.arange(self.top, self.top + self.side), 0, height - 1)
        columns = np.clip(np.arange(self.left, self.left + self.side), 0, width - 1)
        method = cv2.INTER_AREA if self.side > size else cv2.INTER_LINEAR
        cut = [
            cv2.resize(frame[rows][:, columns], (size, size), interpolation=method)
            for frame in frames
        ]
        return np.stack(cut)


def steady_square(track: FaceTrack) -> Square:
    """Frame a clip's face by its median place and height; the track has a face somewhere."""
    left, top, right, bottom = np.nanmedian(track.boxes, axis=0)
    side = max(1, round((bottom - top) / HEIGHT_SHARE))
    return Square(
        left=round((left + right) / 2 - CENTRE[0] * side),
        top=round((top + bottom) / 2 - CENTRE[1] * side),
        side=side,
    )


def outside(track: FaceTrack, square: Square) -> float:
    """Share of frames whose face box is not wholly inside the square, 0..1."""
    boxes = interpolate(track)
    low, high = np.array([square.left, square.top]), np.array([square.left, square.top])
    high = high + square.side
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
