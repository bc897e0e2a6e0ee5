import math

import numpy as np
import pytest
from scripted import ScriptedDetector, clip
from test_motion import LAYOUT, REST, SCALE, talking

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder, FaceTrack
from likeness.rewards.following import FollowReward, agreement
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import COEFFICIENTS, coefficients


class Nodding:
    """Points that go up and down with the frame's number, and shut the mouth at times."""

    hash = "nodding"
    layout = LAYOUT

    def find(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        points = np.tile(REST, (len(frames), 1, 1))
        points[:, :, 1] += course(len(frames))[:, None]
        points[:, 9, 1] += 0.5 * np.cos(np.arange(len(frames)) / 2)
        return points


def course(frames: int) -> np.ndarray:
    return np.sin(np.arange(frames) / 3)


def reward(asked: dict[str, np.ndarray]) -> FollowReward:
    return FollowReward(MotionReward(FaceFinder(ScriptedDetector()), Nodding(), SCALE), asked)


def values(asked: np.ndarray, shown: int = 30) -> dict[str, float]:
    subject = Subject(clip=clip(*[1] * shown), clip_id="made")
    return {s.reward: s.value for s in reward({"made": asked}).score([subject])}


def rows(frames: int = 30) -> np.ndarray:
    asked = np.zeros((frames, 7), np.float32)
    asked[:, 1] = 5 * course(frames) + 2  # another scale and place are no other movement
    asked[:, 6] = np.cos(np.arange(frames) / 2)
    return asked


def test_coefficients_leave_rest_out() -> None:
    movement = talking()
    told = coefficients(movement)
    assert told.shape == (75, len(COEFFICIENTS))
    for column, name in enumerate(COEFFICIENTS):
        rest = float(np.median(told[:, column]))
        assert (abs(rest) < 1e-6) == (name not in {"roll", "mouth"}), name
    np.testing.assert_allclose(told[:, 6], movement.mouth, rtol=1e-6)
    np.testing.assert_allclose(np.diff(told[:, 0]), np.diff(movement.head[:, 0]), atol=1e-6)


def test_agreement_is_the_correlation_of_each() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40, 7))
    expected = [np.corrcoef(a[:30, k], b[:30, k])[0, 1] for k in range(7)]
    np.testing.assert_allclose(agreement(a, b[:30]), expected)
    holed = a.copy()
    holed[3] = np.nan
    kept = np.arange(40) != 3
    expected = [np.corrcoef(a[kept, k], b[kept, k])[0, 1] for k in range(7)]
    np.testing.assert_allclose(agreement(holed, b), expected)


def test_a_clip_that_obeys_and_one_that_does_not() -> None:
    told = values(rows())
    assert told["movement_follow_head_y"] == pytest.approx(1, abs=1e-5)
    assert told["movement_follow_mouth"] == pytest.approx(1, abs=1e-5)
    assert told["movement_follow"] == pytest.approx(1, abs=1e-5)
    assert math.isnan(told["movement_follow_head_x"])  # was not asked to move
    assert values(-rows())["movement_follow"] == pytest.approx(-1, abs=1e-5)
    astray = rows()
    astray[:, 2] = course(30)  # the head never rolls
    told = values(astray)
    assert told["movement_follow_roll"] == 0
    assert told["movement_follow"] == pytest.approx(2 / 3, abs=1e-5)


@pytest.mark.parametrize(
    ("shown", "asked", "reason"),
    [
        (clip(*[1] * 30), None, "no movement was asked for"),
        (clip(*[0] * 30), rows(), "no face"),
        (clip(*[1] * 30), np.zeros((30, 7)), "does not move"),
        (clip(*[1] * 30), rows()[:5], "too few frames"),
    ],
)
def test_missing_is_nan_with_a_reason(shown, asked, reason) -> None:
    scores = reward({} if asked is None else {"x": asked}).score([Subject(clip=shown, clip_id="x")])
    assert [s.reward for s in scores] == list(FollowReward.names)
    assert all(math.isnan(s.value) for s in scores)
    assert all(reason in (s.reason or "") for s in scores)
