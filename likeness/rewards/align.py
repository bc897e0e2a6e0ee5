"""Bringing faces to one place: the least-squares similarity onto the ArcFace template."""

import cv2
import numpy as np

TEMPLATE_112 = np.array(
    [
        [38.2946, 51.6963],
        [73.5318, 51.5014],
        [56.0252, 71.7366],
        [41.5493, 92.3655],
        [70.7299, 92.2041],
    ]
)
"""Left eye, right eye, nose, left and right mouth corner, as they lie in the image (x, y)."""


def template(size: int, zoom: float = 1.0) -> np.ndarray:
    """Give the five points in a crop of `size` pixels: (5, 2).

    A zoom below 1 shows more of the head around the face; 1 is ArcFace's own crop.
    """
    return (TEMPLATE_112 / 112 - 0.5) * zoom * size + size / 2


def umeyama(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Least-squares similarity transforms (Umeyama 1991, eq. 39-43).

    Args:
        source: (..., points, 2).
        target: (..., points, 2), broadcast against source.

    Returns:
        (..., 2, 3): scaled rotation and shift with target ~ M[:, :2] @ source + M[:, 2]; NaN
        where a source holds NaN.

    """
    source, target = np.broadcast_arrays(np.asarray(source, float), np.asarray(target, float))
    valid = np.asarray(np.isfinite(source).all(axis=(-2, -1)))
    source = np.where(valid[..., None, None], source, target)
    mean_s, mean_t = source.mean(-2, keepdims=True), target.mean(-2, keepdims=True)
    centred_s, centred_t = source - mean_s, target - mean_t
    points = source.shape[-2]
    covariance = np.swapaxes(centred_t, -1, -2) @ centred_s / points
    u, d, vt = np.linalg.svd(covariance)
    signs = np.ones_like(d)
    signs[..., 1] = np.where(np.linalg.det(covariance) < 0, -1.0, 1.0)
    rotation = (u * signs[..., None, :]) @ vt
    variance = (centred_s**2).sum((-2, -1)) / points
    scaled = ((d * signs).sum(-1) / variance)[..., None, None] * rotation
    shift = np.swapaxes(mean_t, -1, -2) - scaled @ np.swapaxes(mean_s, -1, -2)
    matrix = np.concatenate([scaled, shift], axis=-1)
    return np.where(valid[..., None, None], matrix, np.nan)


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move (..., points, 2) by (..., 2, 3)."""
    return points @ np.swapaxes(matrix[..., :2], -1, -2) + matrix[..., None, :, 2]


def invert(matrix: np.ndarray) -> np.ndarray:
    """Undo similarity transforms (..., 2, 3)."""
    inverse = np.linalg.inv(matrix[..., :2])
    return np.concatenate([inverse, -inverse @ matrix[..., 2:]], axis=-1)


def crop_faces(frames: np.ndarray, matrices: np.ndarray, size: int) -> np.ndarray:
    """Cut aligned faces out: bilinear, black outside the frame.

    Args:
        frames: (T, H, W, 3) uint8.
        matrices: (T, 2, 3) from frame to crop, finite.
        size: pixels of the square crop.

    Returns:
        (T, size, size, 3) uint8.

    """
    crops = np.zeros((len(frames), size, size, 3), dtype=np.uint8)
    for frame, matrix, crop in zip(frames, matrices, crops, strict=True):
        cv2.warpAffine(frame, matrix, (size, size), dst=crop, flags=cv2.INTER_LINEAR)
    return crops
