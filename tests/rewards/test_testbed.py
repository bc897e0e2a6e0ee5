"""The shipped small models, on drawn people they were never fitted on."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest

from likeness.rewards.base import Subject
from likeness.rewards.faces import iou
from likeness.rewards.fit.defects import DEFECTS
from likeness.rewards.identity import IdentityReward, chamfer
from likeness.rewards.sets import RewardSet, WorldlyRewards, world_of
from likeness.store.clip import Clip
from likeness.store.records import Score
from likeness.testbed.cast import cast, take_of
from likeness.testbed.take import Take

PEOPLE = 24
FRAMES = 25


@pytest.fixture(scope="module")
def rewards() -> RewardSet:
    return RewardSet.load("testbed")


@pytest.fixture(scope="module")
def takes() -> list[tuple[Take, Take]]:
    """Two scenes of each person, a second long."""
    people = cast("spare", PEOPLE)
    return [(take_of(person, 0, 1.0), take_of(person, 1, 1.0)) for person in people]


def values(scores: list[Score], reward: str) -> np.ndarray:
    return np.array([s.value for s in scores if s.reward == reward])


def score(rewards: RewardSet, clips: list[Clip], takes: list[tuple[Take, Take]]) -> list[Score]:
    """Score clips of the first people against their other scene."""
    references = [other.clip for _, other in takes]
    targets = [one.clip for one, _ in takes]
    return rewards.score(
        [
            Subject(clip=c, reference=r, target=t, prompt=one.caption)
            for c, r, t, (one, _) in zip(clips, references, targets, takes, strict=False)
        ]
    )


def each(takes: list[tuple[Take, Take]], people: int = 8) -> list[Clip]:
    return [one.clip for one, _ in takes[:people]]


def test_every_face_is_found_where_it_is(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    tracks = rewards.faces.tracks([one.clip for one, _ in takes])
    assert all(track.coverage == 1 and track.people.max() == 1 for track in tracks)
    for track, (one, _) in zip(tracks, takes, strict=True):
        assert iou(track.boxes, one.truth.face_box).min() > 0.6
        assert np.linalg.norm(track.five - one.truth.five, axis=-1).mean() < 2.5


def test_no_face_on_empty_scenes_and_two_side_by_side(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    detect = rewards.faces.detector.detect
    empty = np.stack([take.background for pair in takes for take in pair])
    assert [len(found.boxes) for found in detect(empty)] == [0] * len(empty)
    firsts = np.stack([one.clip.frames[0] for one, _ in takes])
    beside = np.concatenate([firsts, np.roll(firsts, 1, axis=0)], axis=2)
    assert [len(found.boxes) for found in detect(beside)] == [2] * PEOPLE


def test_recogniser_tells_unseen_people_apart_across_scenes(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    identity = rewards.rewards[0]
    assert isinstance(identity, IdentityReward)
    probes = identity.portraits([one.clip for one, _ in takes])
    gallery = identity.portraits([other.clip for _, other in takes])
    table = np.array([[chamfer(p.embeddings, g.embeddings).value for g in gallery] for p in probes])
    same, different = np.diag(table), table[~np.eye(PEOPLE, dtype=bool)]
    assert (table.argmax(axis=1) == np.arange(PEOPLE)).all()
    assert same.mean() > 0.8
    assert different.mean() < 0.15
    assert same.min() > np.percentile(different, 99)


def test_recogniser_sees_through_grain(rewards: RewardSet, takes: list[tuple[Take, Take]]) -> None:
    clean = values(score(rewards, each(takes), takes), "identity_ref")
    for name in ("noise", "blur", "compress"):
        worse = [spoilt(clip, name, 0.3) for clip in each(takes)]
        grainy = values(score(rewards, worse, takes), "identity_ref")
        assert np.abs(grainy - clean).mean() < 0.06


def test_sync_is_found_and_lost_with_other_sound(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    clips = each(takes, PEOPLE)
    true = score(rewards, clips, takes)
    others = [
        replace(clip, audio=other.audio)
        for clip, other in zip(clips, np.roll(np.array(clips, object), 1), strict=True)
    ]
    shuffled = score(rewards, others, takes)
    assert (np.abs(values(true, "sync_offset")) <= 1).mean() >= 0.95
    assert (np.abs(values(shuffled, "sync_offset")) <= 1).mean() <= 0.5
    assert values(true, "sync_c").mean() > 2 * values(shuffled, "sync_c").mean()
    assert values(true, "sync_d").mean() < values(shuffled, "sync_d").mean()


@pytest.mark.parametrize("late", [-2, 3])
def test_shifted_sound_shows_in_the_offset(
    rewards: RewardSet, takes: list[tuple[Take, Take]], late: int
) -> None:
    person = cast("spare", 1)[0]
    whole = take_of(person, 3, 2.0).clip
    sound = whole.audio[(10 - late) * 640 :][:16_000]
    clip = replace(whole.window(10, FRAMES), audio=sound)
    offset = values(score(rewards, [clip], takes), "sync_offset")[0]
    assert abs(offset + late) <= 1


def test_motion_of_broken_clips_is_below_that_of_true_ones(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    clips, rng = each(takes), np.random.default_rng(0)
    true = values(score(rewards, clips, takes), "motion")
    orders = {
        "frozen": np.zeros(FRAMES, dtype=int),
        "looped": np.arange(FRAMES) % 8,
        "shuffled": rng.permutation(FRAMES),
    }
    for order in orders.values():
        broken = [replace(clip, frames=clip.frames[order]) for clip in clips]
        assert (values(score(rewards, broken, takes), "motion") < true).mean() > 0.85
    shaken = [replace(clip, frames=jittered(clip.frames, rng)) for clip in clips]
    assert (values(score(rewards, shaken, takes), "motion") < true).mean() > 0.85


def jittered(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    shifts = rng.integers(-2, 3, (len(frames), 2))
    return np.stack([np.roll(f, tuple(s), (0, 1)) for f, s in zip(frames, shifts, strict=True)])


def spoilt(clip: Clip, defect: str, strength: float) -> Clip:
    rng = np.random.default_rng(0)
    return replace(clip, frames=np.stack([DEFECTS[defect](f, strength, rng) for f in clip.frames]))


@pytest.mark.parametrize("defect", sorted(DEFECTS))
def test_quality_falls_with_each_defect(
    rewards: RewardSet, takes: list[tuple[Take, Take]], defect: str
) -> None:
    clips = each(takes)
    means = [values(score(rewards, clips, takes), "quality").mean()]
    for strength in (0.2, 0.5, 0.9):
        worse = [spoilt(clip, defect, strength) for clip in clips]
        means.append(values(score(rewards, worse, takes), "quality").mean())
    assert means[0] > 4.6
    assert means == sorted(means, reverse=True)
    assert means[0] - means[-1] > 0.4


def test_text_is_higher_for_the_right_caption(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    clips = each(takes, PEOPLE)
    captions = [one.caption for one, _ in takes]
    right = rewards.score([Subject(clip=c, prompt=p) for c, p in zip(clips, captions, strict=True)])
    wrong = rewards.score(
        [Subject(clip=c, prompt=p) for c, p in zip(clips, np.roll(captions, 1), strict=True)]
    )
    assert values(right, "text").mean() > 0.85
    assert values(wrong, "text").mean() < 0.5
    assert (values(right, "text") > values(wrong, "text")).mean() > 0.9


def test_a_larger_frame_scores_alike(rewards: RewardSet, takes: list[tuple[Take, Take]]) -> None:
    small = each(takes, 4)
    large = [
        replace(c, frames=np.stack([cv2.resize(f, (128, 128)) for f in c.frames])) for c in small
    ]
    a, b = score(rewards, small, takes), score(rewards, large, takes)
    np.testing.assert_allclose(values(a, "identity_ref"), values(b, "identity_ref"), atol=0.1)
    assert (values(b, "sync_offset") == 0).all()


def bad_clips(one: Clip) -> dict[str, tuple[Clip, set[str], str]]:
    """Clips with the rewards that must be missing and a word of the reason."""
    rng = np.random.default_rng(0)
    empty = rng.integers(90, 110, (FRAMES, 64, 64, 3), dtype=np.uint8)
    heard = {"sync_c", "sync_d", "sync_offset", "sync_c_valid", "sync_d_valid"}
    visual = {"identity_ref", "identity_target", "motion", *heard}
    silence = np.zeros_like(one.audio)
    return {
        "no face": (replace(one, frames=empty), visual, "no face"),
        "two faces": (
            replace(one, frames=np.concatenate([one.frames] * 2, axis=2)),
            visual,
            "two faces",
        ),
        "one frame": (one.window(0, 1), visual, "too short"),
        "silent": (replace(one, audio=silence), heard, "silent"),
        "no sound": (replace(one, audio=silence[:0]), heard, "no sound"),
        "wrong rate": (replace(one, fps=30.0), heard | {"motion"}, "frames a second"),
    }


@pytest.mark.parametrize(
    "name", ["no face", "two faces", "one frame", "silent", "no sound", "wrong rate"]
)
def test_missing_is_nan_with_a_reason(
    rewards: RewardSet, takes: list[tuple[Take, Take]], name: str
) -> None:
    clip, absent, reason = bad_clips(takes[0][0].clip)[name]
    for row in score(rewards, [clip], takes):
        assert math.isnan(row.value) == (row.reward in absent), row
        assert reason in (row.reason or reason)


def test_batches_and_order_change_nothing(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    fresh = RewardSet.load("testbed")
    together = score(rewards, each(takes, 3), takes)
    alone = [row for i in (0, 1, 2) for row in score(fresh, each(takes, 3)[i : i + 1], takes[i:])]
    for a, b in zip(together, alone, strict=True):
        assert (a.clip, a.reward, a.weights) == (b.clip, b.reward, b.weights)
        assert a.value == pytest.approx(b.value, abs=1e-4, nan_ok=True)


def test_different_clips_score_differently(
    rewards: RewardSet, takes: list[tuple[Take, Take]]
) -> None:
    rows = score(rewards, each(takes), takes)
    for name in ("identity_ref", "sync_c", "sync_d", "motion", "quality", "text"):
        assert len(set(values(rows, name))) == 8


def test_names_order_and_versions(rewards: RewardSet, takes: list[tuple[Take, Take]]) -> None:
    rows = score(rewards, each(takes, 1), takes)
    names = [
        "identity_ref",
        "identity_target",
        "sync_c",
        "sync_d",
        "sync_offset",
        "sync_c_valid",
        "sync_d_valid",
        "motion",
        "quality",
        "text",
    ]
    assert [row.reward for row in rows] == names
    assert list(rewards.versions) == names
    assert all(len(row.weights) >= 64 for row in rows)
    assert rewards.score([]) == []


def test_world_goes_by_origin(takes: list[tuple[Take, Take]]) -> None:
    drawn = takes[0][0].clip
    recorded = replace(drawn, origin="recorded")
    generated = replace(drawn, origin="generated")
    assert world_of(Subject(clip=drawn)) == "testbed"
    assert world_of(Subject(clip=generated, reference=drawn)) == "testbed"
    assert world_of(Subject(clip=generated, reference=recorded)) == "real"
    rows = WorldlyRewards().score([Subject(clip=drawn, reference=takes[0][1].clip)])
    assert rows[0].value > 0.6
