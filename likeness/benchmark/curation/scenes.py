"""How alike the scenes of two clips are, the people left out."""

import math

import cv2
import numpy as np

from likeness.rewards.framing import fit_within
from likeness.rewards.tracks import FaceTrack, interpolate

SIDE = 160  # pixels of a small frame's longer side
LEAST_COMMON = 0.03  # of the picture, that both clips must show of their scenes
ALIKE = 100.0  # dB: the PSNR of scenes that do not differ at all
_TIMES = 9  # at which the head's place is looked at
_HEAD, _HAIR = (0.62, 0.66), 0.08  # half axes of the head; its middle lies above the box's
_NECK, _CHIN = 0.5, 0.1  # half width of the neck, and where it begins above the box's lower edge
_SHOULDERS, _SLOPE = 1.25, 0.25  # half width of the body, and how far below the box it is reached


def shrink(frame: np.ndarray) -> np.ndarray:
    """Bring a frame (H, W, 3) to a longer side of 160 pixels at most."""
    width, height = fit_within(frame.shape[1], frame.shape[0], SIDE)
    if (height, width) == frame.shape[:2]:
        return frame
    return np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))


def head_region(track: FaceTrack, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Cover head and shoulders wherever they go during a clip.

    An ellipse about the head with its hair, and from the chin down a body that widens to the
    shoulders; both from the face's box alone.

    Args:
        track: the face, found in some frame, in pixels of a picture of ``size``.
        size: height and width of the picture.
        shape: height and width of the region.

    Returns:
        ``shape`` bool, True where the person may be.

    """
    boxes = interpolate(track) * np.array([shape[1] / size[1], shape[0] / size[0]] * 2)
    region = np.zeros(shape, np.uint8)
    for at in np.unique(np.linspace(0, len(boxes) - 1, _TIMES).round().astype(int)):
        _cover(region, boxes[at])
    return region > 0


def _cover(region: np.ndarray, box: np.ndarray) -> None:
    """Draw the head and shoulders of a face box (4,) into a region."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    x, y = (left + right) / 2, (top + bottom) / 2
    head = ((x, y - _HAIR * height), (2 * _HEAD[0] * width, 2 * _HEAD[1] * height), 0.0)
    cv2.ellipse(region, head, 1, -1)
    foot = max(region.shape[0], bottom + height)
    outline = [
        (x - _NECK * width, bottom - _CHIN * height),
        (x + _NECK * width, bottom - _CHIN * height),
        (x + _SHOULDERS * width, bottom + _SLOPE * height),
        (x + _SHOULDERS * width, foot),
        (x - _SHOULDERS * width, foot),
        (x - _SHOULDERS * width, bottom + _SLOPE * height),
    ]
    cv2.fillPoly(region, [np.round(outline).astype(np.int32)], 1)


def plate(frames: np.ndarray) -> np.ndarray:
    """Guess the scene: (H, W, 3) uint8, what is there most of the time of (T, H, W, 3)."""
    return np.median(frames, axis=0).astype(np.uint8)


def background_psnr(
    one: np.ndarray, other: np.ndarray, shown: np.ndarray, also: np.ndarray
) -> float:
    """PSNR of two scenes where both can be seen: the smaller, the more they differ.

    Pictures of other proportions are cut to what they have in common, about the middle.

    Args:
        one: (H, W, 3) uint8, a scene.
        other: (H', W', 3) uint8.
        shown: (H, W) bool, where the first shows its scene and not the person.
        also: (H', W') bool, likewise of the other.

    Returns:
        dB, 100 at most; NaN where they have less than 3 % of the picture in common.

    """
    height, width = min(one.shape[0], other.shape[0]), min(one.shape[1], other.shape[1])
    where = _middle(shown, height, width) & _middle(also, height, width)
    if where.mean() < LEAST_COMMON:
        return math.nan
    a, b = _middle(one, height, width)[where], _middle(other, height, width)[where]
    error = float(((a.astype(np.float64) - b) ** 2).mean())
    return ALIKE if error == 0 else min(ALIKE, 10 * math.log10(255**2 / error))


def _middle(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]
