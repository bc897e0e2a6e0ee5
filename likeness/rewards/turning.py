"""How far a head is turned, from the five points alone."""

import numpy as np

NOSE = 1.0
HALF, PROFILE = 25.0, 55.0

POSES = ("frontal", "half", "profile")


def yaw(five: np.ndarray) -> np.ndarray:
    """Estimate the turn of heads to the side, in degrees.

    The nose's tip stands out of the eyes' plane by about half the distance between the pupils
    (about 32 mm each), so that a turn by y moves it sideways by sin y where that half distance
    becomes cos y. Sideways is across the line from the eyes' middle to the mouth's: a head tilted
    to its shoulder does not count as turned. Rough: people's noses differ, by some 5 degrees.

    Args:
        five: (..., 5, 2) left eye, right eye, nose, left and right mouth corner in the image.

    Returns:
        (...,) -90..90, above 0 to the image's right; NaN where a point is.

    """
    points = np.asarray(five, dtype=np.float64)
    eyes, mouth = points[..., :2, :].mean(-2), points[..., 3:, :].mean(-2)
    down = mouth - eyes
    across = np.stack([down[..., 1], -down[..., 0]], axis=-1)
    half = ((points[..., 1, :] - points[..., 0, :]) * across).sum(-1) / 2
    nose = ((points[..., 2, :] - eyes) * across).sum(-1)
    return np.degrees(np.arctan2(nose / NOSE, np.maximum(half, 0)))


def pose_of(degrees: np.ndarray) -> np.ndarray:
    """Index turns into POSES: 0 below 25 degrees to either side, 1 below 55, 2 beyond; -1 NaN."""
    turned = np.abs(degrees)
    return np.where(np.isfinite(turned), np.digitize(turned, [HALF, PROFILE]), -1)
