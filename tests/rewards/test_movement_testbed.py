"""Ways of moving wrongly, on drawn people that nothing was fitted on."""

from dataclasses import replace

import numpy as np
import pytest

from likeness.rewards.base import Detailed, Subject
from likeness.rewards.combine.recipe import COMBINATIONS
from likeness.rewards.combine.reward import CombinedReward
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import STATISTICS, coefficients, movement_of
from likeness.rewards.sets import RewardSet
from likeness.store.clip import Clip
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import jitter

PEOPLE = 24
FRAMES = 50


@pytest.fixture(scope="module")
def rewards() -> RewardSet:
    return RewardSet.load("testbed").with_movement()


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Clip, Clip]]:
    return [(take_of(p, 0, 2.0).clip, take_of(p, 1, 2.0).clip) for p in cast("heldout", PEOPLE)]


def reordered(clip: Clip, order: np.ndarray) -> Clip:
    """Other pictures under the same sound."""
    return replace(clip, frames=np.ascontiguousarray(clip.frames[order]))


def column(rewards: RewardSet, name: str, subjects: list[Subject]) -> np.ndarray:
    reward = next(r for r in rewards.rewards if name in r.names)
    return np.array([row.value for row in reward.score(subjects) if row.reward == name])


@pytest.mark.slow
def test_frozen_looped_jittered_and_backwards_are_below_the_true(rewards, pairs):
    def natural(clips: list[Clip]) -> np.ndarray:
        subjects = [Subject(clip=c, reference=r) for c, (_, r) in zip(clips, pairs, strict=True)]
        return column(rewards, "naturalness", subjects)

    rng = np.random.default_rng(0)
    true = [clip for clip, _ in pairs]
    values = natural(true)
    for name, clips in {
        "frozen": [reordered(c, np.zeros(FRAMES, dtype=int)) for c in true],
        "looped": [reordered(c, np.arange(FRAMES) % 12) for c in true],
        "jittered": [jitter(c, 1.0, rng) for c in true],
        "backwards": [reordered(c, np.arange(FRAMES)[::-1]) for c in true],
    }.items():
        assert (natural(clips) < values).mean() >= 0.9, name


@pytest.mark.slow
def test_style_tells_the_person_from_others(rewards, pairs):
    same = [Subject(clip=c, reference=r) for c, r in pairs]
    others = [*pairs[1:], pairs[0]]
    different = [Subject(clip=c, reference=r) for (c, _), (_, r) in zip(pairs, others, strict=True)]
    own, other = (column(rewards, "style", subjects) for subjects in (same, different))
    assert (own[:, None] > other[None]).mean() > 0.9
    assert own.mean() > 0.8
    assert other.mean() < 0.3


def test_movement_is_measured_once_and_explained(rewards):
    person = cast("heldout", 1)[0]
    subject = Subject(clip=take_of(person, 0, 2.0).clip, reference=take_of(person, 1, 2.0).clip)
    motion = next(r for r in rewards.rewards if isinstance(r, MotionReward))
    names = [name for r in rewards.rewards for name in r.names]
    assert names[-3:] == ["mouth_coupling", "naturalness", "style"]
    detail = motion.detail(subject)
    assert set(detail.curves) == {"mouth", "loudness", "head_speed", "eyes"}
    assert all(curve.shape == (FRAMES,) for curve in detail.curves.values())
    z = np.array([detail.values[f"z_{name}"] for name in STATISTICS])
    value = np.exp(-np.log1p((z / 2) ** 2).mean())
    assert motion.score([subject])[0].value == pytest.approx(value)
    assert sum(isinstance(r, Detailed) for r in rewards.rewards) >= 3


@pytest.mark.slow
def test_a_long_film_is_measured_in_pieces_as_in_one(rewards, monkeypatch):
    clip = take_of(cast("heldout", 1)[0], 0, 4.0).clip
    motion = next(r for r in rewards.rewards if isinstance(r, MotionReward))
    track = motion.faces.tracks([clip])[0]
    whole = movement_of(clip, track, motion.landmarker)
    few = [clip.frames[start : start + 7] for start in range(0, len(clip), 7)]
    monkeypatch.setattr(type(clip), "pieces", lambda _: iter(few))
    pieces = movement_of(clip, track, motion.landmarker)
    np.testing.assert_allclose(coefficients(pieces), coefficients(whole), atol=1e-3)


@pytest.mark.slow
def test_the_packaged_combination_takes_every_term(rewards):
    reward = CombinedReward(rewards, COMBINATIONS.load("testbed"))
    take, other = (take_of(cast("heldout", 1)[0], scene, 2.0) for scene in (0, 1))
    subject = Subject(clip=take.clip, reference=other.clip, prompt=take.caption)
    total = reward.totals([subject])[0]
    assert total.coverage == 1
    assert total.value > 0
