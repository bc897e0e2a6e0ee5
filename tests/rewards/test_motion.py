import math

import numpy as np
import pytest
from scripted import ScriptedDetector, clip

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder, FaceTrack
from likeness.rewards.landmarks import Layout
from likeness.rewards.motion import MotionReward, MotionScale, naturalness
from likeness.rewards.movement import (
    STATISTICS,
    Movement,
    average_statistics,
    loudness,
    measure,
    statistics,
)
from likeness.store.clip import Clip

SCALE = MotionScale(deviations=(0.5,) * len(STATISTICS))

LAYOUT = Layout(eyes=((0, 1), (2, 3)), lids=((4, 5), (6, 7)), lips=((8, 9),), nose=10)
REST = np.array(
    [[0, 0], [4, 0], [8, 0], [12, 0], [2, -1], [2, 1], [10, -1], [10, 1], [6, 8], [6, 9], [6, 4]],
    dtype=float,
)


def talking(frames: int = 75, seed: int = 0) -> Movement:
    """A head that sways, blinks and talks."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames) / 25
    phases = rng.uniform(0, 6, 6)
    sway = [
        0.2 * np.sin(2 * np.pi * f * time + p)
        for f, p in zip((0.7, 1.1, 0.4), phases, strict=False)
    ]
    loud = np.sin(2 * np.pi * 3.7 * time + phases[3]) + np.sin(2 * np.pi * 1.3 * time)
    eyes = 0.3 - 0.25 * (np.sin(2 * np.pi * 0.8 * time + phases[4]) > 0.9)
    return Movement(
        head=np.stack(sway, axis=1),
        turn=np.stack(sway[:2], axis=1) / 3,
        eyes=eyes + rng.normal(0, 0.005, frames),
        mouth=0.15 + 0.1 * loud + rng.normal(0, 0.005, frames),
        loudness=loud - 3,
        fps=25.0,
    )


def altered(movement: Movement, order: np.ndarray) -> Movement:
    """The same sound over reordered pictures."""
    return Movement(
        head=movement.head[order],
        turn=movement.turn[order],
        eyes=movement.eyes[order],
        mouth=movement.mouth[order],
        loudness=movement.loudness,
        fps=movement.fps,
    )


def value(movement: Movement) -> float:
    reference = average_statistics(talking(seed=1), 75)
    return naturalness(average_statistics(movement, 75), reference, SCALE)


def test_itself_is_perfect() -> None:
    numbers = statistics(talking()).to_array()
    assert naturalness(numbers, numbers, SCALE) == 1


def test_freezing_jittering_and_looping_cost() -> None:
    true, rng = talking(), np.random.default_rng(0)
    frozen = altered(true, np.zeros(75, dtype=int))
    looped = altered(true, np.arange(75) % 15)
    shuffled = altered(true, rng.permutation(75))
    for worse in (frozen, looped, shuffled):
        assert value(worse) < value(true) - 0.1


def test_is_two_sided() -> None:
    numbers = statistics(talking()).to_array()
    up, down = numbers.copy(), numbers.copy()
    up[0] += 1
    down[0] -= 1
    assert naturalness(up, numbers, SCALE) == pytest.approx(naturalness(down, numbers, SCALE))
    # (1 + (1 / .5 / 2)^2)^(-1/7)
    assert naturalness(up, numbers, SCALE) == pytest.approx(2 ** (-1 / 7))


def test_measures_in_distances_between_the_eyes() -> None:
    points = np.tile(REST, (5, 1, 1))
    still = clip(1, 1, 1, 1, 1)
    near, far = measure(3 * points + 7, LAYOUT, still), measure(points, LAYOUT, still)
    assert far.mouth == pytest.approx(1 / 8)
    assert far.eyes == pytest.approx(2 / 4)
    np.testing.assert_allclose(near.mouth, far.mouth)
    np.testing.assert_allclose(near.turn, far.turn)
    np.testing.assert_allclose(np.diff(near.head, axis=0), 0)


def test_fills_gaps_linearly() -> None:
    points = np.tile(REST, (5, 1, 1)) + np.arange(5)[:, None, None]
    gap = points.copy()
    gap[2] = np.nan
    still = clip(1, 1, 0, 1, 1)
    np.testing.assert_allclose(
        measure(gap, LAYOUT, still).head, measure(points, LAYOUT, still).head
    )


def test_loudness_by_frame() -> None:
    audio = np.zeros(1600, dtype=np.float32)
    audio[640:1280] = 0.5
    rows = loudness(
        Clip(
            frames=np.zeros((4, 2, 2, 3), dtype=np.uint8),
            fps=25.0,
            audio=audio,
            sample_rate=16_000,
        )
    )
    assert rows[1] == pytest.approx(math.log(0.501))
    assert rows[[0, 2, 3]] == pytest.approx(math.log(0.001))


def test_silence_leaves_following_out() -> None:
    movement = talking()
    silent = Movement(
        head=movement.head,
        turn=movement.turn,
        eyes=movement.eyes,
        mouth=movement.mouth,
        loudness=np.full(75, np.nan),
        fps=25.0,
    )
    numbers = average_statistics(silent, 75)
    assert np.isnan(numbers).tolist() == [name == "following" for name in STATISTICS]
    assert 0 < value(silent) <= 1


def test_averages_over_windows() -> None:
    movement = talking(100)
    rows = [statistics(movement.window(start, 50)).to_array() for start in (0, 25, 50)]
    np.testing.assert_allclose(average_statistics(movement, 50), np.mean(rows, axis=0))


class Puppet:
    """Points that sway with the frame's number, and know nothing of the picture."""

    hash = "puppet"
    layout = LAYOUT

    def find(self, frames: np.ndarray, track: FaceTrack) -> np.ndarray:
        sway = np.sin(np.arange(len(frames)) / 3)
        return REST + sway[:, None, None]


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Subject(clip=clip(*[1] * 25)), "no reference given"),
        (Subject(clip=clip(*[0] * 25), reference=clip(*[1] * 25)), "no face"),
        (Subject(clip=clip(*[2] * 25), reference=clip(*[1] * 25)), "two faces"),
        (Subject(clip=clip(1), reference=clip(*[1] * 25)), "too short"),
        (Subject(clip=clip(*[1] * 25), reference=clip(1)), "reference: too short"),
    ],
)
def test_missing_is_nan_with_a_reason(subject: Subject, reason: str) -> None:
    reward = MotionReward(FaceFinder(ScriptedDetector()), Puppet(), SCALE)
    good = Subject(clip=clip(*[1] * 25), reference=clip(*[1] * 30), clip_id="good")
    bad, fine = reward.score([subject, good])
    assert math.isnan(bad.value)
    assert reason in (bad.reason or "")
    assert 0 < fine.value <= 1
