"""What identity and lip sync must show on drawn people, where the truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from likeness.rewards.base import Subject
from likeness.rewards.fit.defects import DEFECTS
from likeness.rewards.identity import IdentityReward
from likeness.rewards.lipsync import LipSyncReward
from likeness.rewards.sets import RewardSet
from likeness.store.clip import Clip
from likeness.testbed.cast import cast, take_of
from likeness.testbed.person import Person
from likeness.testbed.render import render
from likeness.testbed.scene import draw_scene
from likeness.testbed.speech import Speech, synthesise

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rewards() -> RewardSet:
    return RewardSet.load("testbed")


def lip_sync(rewards: RewardSet) -> LipSyncReward:
    return next(r for r in rewards.rewards if isinstance(r, LipSyncReward))


def identity(rewards: RewardSet) -> IdentityReward:
    return next(r for r in rewards.rewards if isinstance(r, IdentityReward))


def test_sound_shifted_by_up_to_5_frames_is_found(rewards: RewardSet) -> None:
    shifts = range(-5, 6)
    found = []
    for person in cast("spare", 20):
        whole = take_of(person, 3, 1.8).clip
        clips = [
            replace(whole.window(10, 25), audio=whole.audio[(10 - late) * 640 :][:16_000])
            for late in shifts
        ]
        scores = lip_sync(rewards).score([Subject(clip=c) for c in clips])
        offsets = [s.value for s in scores if s.reward == "sync_offset"]
        found += [abs(o + late) <= 1 for o, late in zip(offsets, shifts, strict=True)]
    assert np.mean(found) >= 0.95


def acted(person: Person, like: Person, scene: int) -> Clip:
    """Film a person in another's scene, with the other's words and voice."""
    key = [like.seed, scene]
    speech = synthesise(1.0, like.voice, np.random.default_rng([*key, 0x5B]))
    place = draw_scene(like.seed * 1000 + scene)
    return render(person, place, speech, rng=np.random.default_rng([*key, 0x30])).clip


def test_identity_ranks_swapped_faces_last(rewards: RewardSet) -> None:
    people = cast("spare", 25)
    last = []
    for person, other in zip(people, [*people[1:], people[0]], strict=True):
        reference, true = take_of(person, 0, 1.0).clip, acted(person, person, 1)
        np.testing.assert_array_equal(true.frames, take_of(person, 1, 1.0).clip.frames)
        clips = [acted(other, person, 1), true]
        for name in ("blur", "noise", "compress"):
            rng = np.random.default_rng(0)
            spoilt = np.stack([DEFECTS[name](frame, 0.5, rng) for frame in true.frames])
            clips.append(replace(true, frames=spoilt))
        subjects = [Subject(clip=c, reference=reference) for c in clips]
        values = [s.value for s in identity(rewards).score(subjects)[::2]]
        last.append(int(np.argmin(values)) == 0)
    assert np.mean(last) >= 0.95


def together(first: Clip, second: Clip, sound: np.ndarray) -> Clip:
    return replace(first, frames=np.concatenate([first.frames, second.frames], 2), audio=sound)


def test_the_one_who_is_heard_is_looked_at(rewards: RewardSet) -> None:
    """Both talk, each their own words; the sound is one's alone."""
    people = cast("spare", 16)
    told = []
    for one, other in zip(people[::2], people[1::2], strict=True):
        pair = [take_of(one, 0, 3.0).clip, take_of(other, 0, 3.0).clip]
        for who in (0, 1):
            clip = together(pair[0], pair[1], pair[who].audio)
            values = lip_sync(rewards).detail(Subject(clip=clip)).values
            if "sync_windows" in values:
                tracks = rewards.faces.all_tracks([clip])[0]
                side = np.nanmean(tracks[int(values["sync_track"])].boxes[:, 0]) > 60
                told.append(side == who)
    assert len(told) >= 0.6 * len(people)
    assert np.mean(told) >= 0.9


def halved(person: Person, speech: Speech, first: bool) -> Clip:
    """Film a person who speaks in one half of the time and keeps the mouth shut in the other."""
    half = len(speech.open) // 2
    mute = slice(half, None) if first else slice(0, half)
    parts = {}
    for name in ("open", "round", "closed", "teeth", "stress", "audio"):
        part = getattr(speech, name).copy()
        scale = 640 if name == "audio" else 1
        part[slice(mute.start * scale, mute.stop and mute.stop * scale)] = 0
        parts[name] = part
    rng = np.random.default_rng([person.seed, 7])
    return render(person, draw_scene(person.seed * 1000), Speech(**parts), rng=rng).clip


def test_two_who_talk_in_turn_are_told_in_half_of_the_pairs(rewards: RewardSet) -> None:
    people = cast("spare", 8)
    reasons = []
    for one, other in zip(people[::2], people[1::2], strict=True):
        rng = np.random.default_rng(one.seed)
        clips = [
            halved(p, synthesise(8.0, p.voice, rng), first)
            for p, first in ((one, True), (other, False))
        ]
        both = together(clips[0], clips[1], clips[0].audio + clips[1].audio)
        score = lip_sync(rewards).score([Subject(clip=both)])[0]
        reasons.append(score.reason or "")
    # Of some pairs one mouth alone plainly follows the sound, and its track is scored.
    assert sum("talk in turn" in reason for reason in reasons) >= 2, reasons
