"""Two painted faces, of which one's mouth follows the sound."""

from dataclasses import replace

import numpy as np
import pytest
from scripted import ScriptedDetector, clip

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder
from likeness.rewards.lipsync import LipSyncReward
from likeness.rewards.speaker import find_speaker, loudness_change
from likeness.rewards.syncnet import SyncEmbedder, SyncNet, SyncNetConfig
from likeness.store.clip import Clip

MOUTHS = (slice(12, 28), slice(70, 86))
LOUD = 0.4


def loudness(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Draw syllables: loudness stays for 2 to 6 frames, then jumps."""
    steps = np.repeat(rng.uniform(0.02, LOUD, frames), rng.integers(2, 7, frames))
    return steps[:frames]


def voice(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.choice([-1.0, 1.0], len(levels) * 640)
    return (np.repeat(levels, 640) * noise).astype(np.float32)


def scene(mouths: tuple[np.ndarray, np.ndarray], heard: np.ndarray, grain: int = 4) -> Clip:
    """Two faces whose mouths are as bright as their own loudness says, and a sound."""
    rng = np.random.default_rng(9)
    made = clip(*[2] * len(heard), audio=voice(heard, rng))
    frames = made.frames.copy()
    frames[:, 1:] = 100 + rng.integers(-grain, grain + 1, frames[:, 1:].shape)
    for columns, levels in zip(MOUTHS, mouths, strict=True):
        light = (100 + 300 * levels)[:, None, None, None]
        spot = frames[:, 34:46, columns]
        spot[:] = light + rng.integers(-grain, grain + 1, spot.shape)
    return replace(made, frames=frames)


def speaker_of(made: Clip):
    return find_speaker(made, FaceFinder(ScriptedDetector()).all_tracks([made])[0])


@pytest.mark.parametrize("who", [0, 1])
@pytest.mark.parametrize("other", ["still", "another speech"])
def test_the_mouth_that_follows_the_sound_speaks(who: int, other: str) -> None:
    rng = np.random.default_rng(who)
    heard = loudness(75, rng)
    beside = np.full(75, 0.1) if other == "still" else loudness(75, rng)
    mouths = (heard, beside) if who == 0 else (beside, heard)
    found = speaker_of(scene(mouths, heard))
    assert (found.track, found.reason) == (who, None)


@pytest.mark.parametrize("mouths", ["still", "alike"])
def test_says_when_it_cannot_be_told(mouths: str) -> None:
    heard = loudness(75, np.random.default_rng(5))
    one = heard if mouths == "alike" else np.full(75, 0.1)
    found = speaker_of(scene((one, one), heard, grain=0))
    assert found.track is None
    assert found.reason == "no mouth plainly follows the sound"


def test_two_people_who_talk_in_turn_are_told() -> None:
    rng = np.random.default_rng(3)
    heard = loudness(200, rng)
    first, second = heard.copy(), heard.copy()
    first[100:], second[:100] = 0.1, 0.1
    found = speaker_of(scene((first, second), heard))
    assert found.track is None
    expected = "people talk in turn (face 1 from 0.0 s, face 2 from 4.0 s): cut to one speaker"
    assert found.reason == expected


def test_loudness_changes_where_it_jumps() -> None:
    made = clip(*[1] * 10, audio=voice(np.repeat([0.1, 0.4], 5), np.random.default_rng(0)))
    expected = np.zeros(10)
    expected[4:7] = 0.1  # a jump of 0.3 over 3 frames
    np.testing.assert_allclose(loudness_change(made), expected, atol=1e-6)


def test_lip_sync_takes_the_one_who_is_heard() -> None:
    config = SyncNetConfig(
        crop=40,
        lip=(4, 8, 8),
        audio=(4, 8, 8, 8, 8),
        embedding=8,
        second_stride=1,
        last_kernel=1,
        vshift=5,
    )
    reward = LipSyncReward(FaceFinder(ScriptedDetector()), SyncEmbedder(SyncNet(config), "none"))
    rng = np.random.default_rng(1)
    heard = loudness(75, rng)
    still = np.full(75, 0.1)
    told, untold = scene((still, heard), heard), scene((still, still), heard, grain=0)
    rows = reward.score([Subject(clip=told), Subject(clip=untold)])
    assert np.isfinite([row.value for row in rows[:2]]).all()
    assert reward.detail(Subject(clip=told)).values["sync_track"] == 1
    assert reward.detail(Subject(clip=told)).values["people"] == 2
    assert "two faces in 75 of 75" in (rows[-1].reason or "")
    assert "no mouth plainly follows" in (rows[-1].reason or "")
    assert "sync_confidence" not in reward.detail(Subject(clip=untold)).curves
