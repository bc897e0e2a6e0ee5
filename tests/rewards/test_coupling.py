import math
from dataclasses import replace

import numpy as np
import pytest
from scripted import ScriptedDetector, clip
from test_motion import SCALE, Puppet, altered, talking

from likeness.rewards.base import Detail, Subject
from likeness.rewards.coupling import CouplingReward, correlations, mouth_coupling
from likeness.rewards.faces import FaceFinder
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import LAGS, Movement


def speech(frames: int = 100, lag: int = 0, seed: int = 0) -> Movement:
    """A mouth that opens by the heard loudness of syllables, so many frames late."""
    rng = np.random.default_rng(seed)
    syllables = np.repeat(rng.uniform(0, 1, frames), rng.integers(2, 6, frames))[: frames + 4]
    heard = 0.05 + np.convolve(syllables, [0.5, 0.3, 0.2], mode="same")
    return replace(
        talking(frames),
        mouth=0.3 * heard[2 - lag : 2 - lag + frames],
        loudness=np.log(heard[2 : 2 + frames]) / 0.6,
    )


@pytest.mark.parametrize("lag", LAGS)
def test_finds_the_lag_at_which_the_mouth_is_the_sound(lag):
    rows = correlations(speech(lag=lag))
    assert LAGS[int(rows.argmax())] == lag
    assert rows.max() == pytest.approx(1)
    assert mouth_coupling(speech(lag=lag)) == pytest.approx(1)


def test_agrees_with_numpy():
    movement = speech()
    heard = np.exp(0.6 * movement.loudness)
    late = np.corrcoef(movement.mouth[1:], heard[:-1])[0, 1]
    assert correlations(movement)[LAGS.index(1)] == pytest.approx(late)


@pytest.mark.parametrize("seed", range(5))
def test_backwards_shuffled_looped_and_frozen_are_below_the_true(seed):
    true, rng = speech(seed=seed), np.random.default_rng(seed)
    for order in (np.arange(100)[::-1], rng.permutation(100), np.arange(100) % 12):
        assert mouth_coupling(altered(true, order)) < mouth_coupling(true) - 0.2
    assert mouth_coupling(altered(true, np.zeros(100, dtype=int))) == 0


def test_a_mouth_against_the_sound_is_none_and_silence_can_not_be_told():
    true = speech()
    assert mouth_coupling(replace(true, mouth=1 - true.mouth)) < 0.2
    assert math.isnan(mouth_coupling(replace(true, loudness=np.full(100, np.nan))))
    assert math.isnan(mouth_coupling(replace(true, loudness=np.full(100, -3.0))))


@pytest.fixture
def reward() -> CouplingReward:
    return CouplingReward(MotionReward(FaceFinder(ScriptedDetector()), Puppet(), SCALE))


def noisy(frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.uniform(0.1, 0.9, frames), 640)
    return (loud * rng.uniform(-1, 1, len(loud))).astype(np.float32)


@pytest.mark.parametrize(
    ("subject", "reasons"),
    [
        (Subject(clip=clip(*[0] * 25, audio=noisy(25))), ("no face", "no face")),
        (Subject(clip=clip(*[1] * 25)), ("no sound", "no sound")),
        (Subject(clip=clip(*[1] * 25, audio=noisy(25))), (None, "no reference given")),
    ],
)
def test_missing_is_nan_with_a_reason(reward, subject, reasons):
    rows = reward.score([subject])
    assert [row.reward for row in rows] == ["mouth_coupling", "naturalness"]
    for row, reason in zip(rows, reasons, strict=True):
        assert math.isnan(row.value) == (reason is not None)
        assert (reason or "") in (row.reason or "")


def test_naturalness_is_the_mean_of_motion_and_coupling(reward, monkeypatch):
    monkeypatch.setattr(reward.motion, "movements", lambda clips: [speech() for _ in clips])
    subject = Subject(clip=clip(*[1] * 25), reference=clip(*[1] * 26))
    coupling, natural = reward.score([subject])
    motion = reward.motion.score([subject])[0]
    assert natural.value == pytest.approx(math.sqrt(motion.value * coupling.value))
    detail = reward.detail(subject)
    assert detail.values["best_lag"] == 0
    assert detail.values["lag_0"] == pytest.approx(1)


def test_detail_is_empty_without_a_face(reward):
    nobody = Subject(clip=clip(*[0] * 25), reference=clip(*[1] * 25))
    assert reward.detail(nobody).values == Detail().values
    assert reward.motion.detail(nobody).curves == {}
