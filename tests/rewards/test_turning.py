import numpy as np
import pytest

from likeness.rewards.turning import pose_of, yaw

# eyes, nose and mouth corners of a head seen from the front: x right, y down, z to the viewer
HEAD = np.array([[-1, -1, 0], [1, -1, 0], [0, 0, 1], [-0.7, 1, 0], [0.7, 1, 0]], dtype=float)


def seen(degrees: float, tilt: float = 0.0, scale: float = 30.0) -> np.ndarray:
    """Turn the head to the side, tilt it in the image, and look at it from afar."""
    y, r = np.radians([degrees, tilt])
    turned = HEAD @ np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    tilted = turned[:, :2] @ np.array([[np.cos(r), np.sin(r)], [-np.sin(r), np.cos(r)]])
    return scale * tilted + [100, 80]


@pytest.mark.parametrize("degrees", [-80.0, -40, -10, 0, 15, 50, 85])
@pytest.mark.parametrize("tilt", [-30.0, 0, 20])
def test_finds_the_turn_of_a_known_head(degrees: float, tilt: float) -> None:
    assert yaw(seen(degrees, tilt)) == pytest.approx(degrees, abs=1e-6)


def test_bins_and_missing_points() -> None:
    five = np.stack([seen(d) for d in (0, -24, 26, -54, 56, 90)] + [np.full((5, 2), np.nan)])
    assert pose_of(yaw(five)).tolist() == [0, 0, 1, 1, 2, 2, -1]
