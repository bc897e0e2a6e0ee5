import numpy as np
import pytest

from likeness.rewards.anchors import AnchorCheck
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.drift import DriftMeter, seam_jerk, slope
from likeness.rewards.faces import FaceFinder
from likeness.rewards.landmarks import TestbedLandmarker
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.store.weights import packaged
from likeness.testbed.cast import cast, take_of
from likeness.testbed.take import Take

WEIGHTS = "tiny/rewards"


@pytest.fixture(scope="module")
def faces() -> FaceFinder:
    return FaceFinder(TestbedDetector(packaged(f"{WEIGHTS}/detector.safetensors")))


@pytest.fixture(scope="module")
def recogniser() -> TestbedRecogniser:
    return TestbedRecogniser(packaged(f"{WEIGHTS}/recogniser.safetensors"))


@pytest.fixture(scope="module")
def take() -> Take:
    return take_of(cast("spare", 1)[0], 0, 6.0, 64)


def test_a_slope_is_least_squares(take):
    minutes = np.array([0.1, 0.2, 0.35, 0.5, 0.8])
    found = slope(minutes, 3 * minutes + 1)
    assert found.value == pytest.approx(3) and found.low == pytest.approx(3)
    noisy = slope(minutes, 3 * minutes + np.array([0.1, -0.1, 0.1, -0.1, 0.05]))
    expected, residuals, *_ = np.polyfit(
        minutes, 3 * minutes + [0.1, -0.1, 0.1, -0.1, 0.05], 1, full=True
    )
    spread = np.sqrt(residuals[0] / 3 / ((minutes - minutes.mean()) ** 2).sum())
    assert noisy.value == pytest.approx(expected[0])
    assert noisy.high - noisy.value == pytest.approx(3.182446 * spread)  # t of 3 degrees, 97.5 %


def test_two_chunks_make_no_slope():
    found = slope(np.array([0.1, 0.2]), np.array([0.5, 0.4]))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.first, found.last) == (0.5, 0.4)


def measured(take, faces, recogniser, frames):
    meter = DriftMeter(faces, recogniser, take.clip.frames[:25], 25.0)
    for start in range(0, len(frames), 40):
        meter.add(frames[start : start + 40])
    return meter.result(range(25, len(frames), 25))


def test_a_true_clip_does_not_drift(take, faces, recogniser):
    drift = measured(take, faces, recogniser, take.clip.frames)
    assert drift.chunks == 6 and drift.faceless == 0
    assert drift.identity.first > 0.8 and drift.identity.last > 0.8
    assert drift.colour.last < 2
    assert 0.3 < drift.seam_jerk < 3


def test_a_clip_that_turns_green_drifts_in_colour_and_identity(take, faces, recogniser):
    frames = take.clip.frames.astype(np.float64)
    fade = np.linspace(0, 0.6, len(frames))[:, None, None, None]
    frames = frames * (1 - fade) + np.array([0.0, 255.0, 0.0]) * fade
    drift = measured(take, faces, recogniser, frames.astype(np.uint8))
    true = measured(take, faces, recogniser, take.clip.frames)
    assert drift.colour.low > 0 and drift.colour.last > 20
    assert drift.identity.last < true.identity.last - 0.1


def test_another_persons_chunks_show_as_identity(take, faces, recogniser):
    other = take_of(cast("spare", 2)[1], 0, 6.0, 64).clip.frames
    frames = np.concatenate([take.clip.frames[:75], other[75:]])
    drift = measured(take, faces, recogniser, frames)
    assert drift.identity.high < 0 and drift.identity.first - drift.identity.last > 0.3


def test_a_jump_at_the_seams_shows_in_their_jerk():
    rng = np.random.default_rng(0)
    still = np.cumsum(rng.normal(0, 0.01, (100, 2)), axis=0)
    jumping = still + (np.arange(100) // 25 % 2)[:, None]
    assert seam_jerk(jumping, [25, 50, 75]) > 10 * seam_jerk(still, [25, 50, 75])
    assert np.isnan(seam_jerk(still, []))


def test_no_face_is_missing_and_not_zero(take, faces, recogniser):
    empty = np.repeat(take.background[None], 75, 0)
    drift = measured(take, faces, recogniser, empty)
    assert drift.faceless == 1 and np.isnan(drift.identity.value) and np.isnan(drift.seam_jerk)


def test_an_anchor_with_closed_eyes_or_none_is_refused(take, faces):
    check = AnchorCheck(faces, TestbedLandmarker(packaged(f"{WEIGHTS}/landmarker.safetensors")))
    faults = np.array([f or "" for f in check(take.clip.frames)])
    shut, open_ = take.truth.eye_open < 0.2, take.truth.eye_open > 0.9
    assert shut.any()
    assert (faults[shut] == "closed eyes").mean() > 0.9
    assert (faults[open_] == "").mean() > 0.9
    assert check(np.repeat(take.background[None], 3, 0)) == ["no face"] * 3
