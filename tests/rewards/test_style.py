import math
from dataclasses import replace

import numpy as np
import pytest
from scripted import ScriptedDetector, clip
from test_motion import SCALE, Puppet, talking

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder
from likeness.rewards.fit.loop import FitError
from likeness.rewards.fit.manner import fit_manner, fit_style
from likeness.rewards.manner import FEATURES, MannerScale, manner, manner_distance
from likeness.rewards.motion import MotionReward
from likeness.rewards.style import StyleReward, StyleScale, load_style, usual_manner

PLAIN = StyleScale(
    manner=MannerScale(within=(1.0,) * len(FEATURES), between=(1.0,) * len(FEATURES)),
    middle=2.0,
    width=0.5,
)


def people(count: int, takes: int, seed: int = 0) -> np.ndarray:
    """Manners of one feature of a deviation of 3 between people and 1 within."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (count, 1, 1)) + rng.normal(0, 1, (count, takes, 1))


def test_similarity_is_a_logistic_curve():
    assert PLAIN.similarity(2.0) == 0.5
    assert PLAIN.similarity(2.5) == pytest.approx(1 / (1 + math.e))
    assert PLAIN.similarity(0.0) > 0.98


def test_the_fit_says_how_likely_two_are_one():
    """On people of the same kind, clips given a probability are one person's as often as that."""
    scale = fit_style(people(200, 2))
    fresh = people(200, 2, seed=1)
    same = [manner_distance(a, b, scale.manner) for a, b in fresh]
    different = [
        manner_distance(fresh[i, 0], fresh[j, 1], scale.manner)
        for i in range(200)
        for j in range(0, 200, 7)
        if i != j
    ]
    p, q = (np.array([scale.similarity(d) for d in row]) for row in (same, different))
    # at even odds, the mean probability is the share of same
    assert (p.mean() + q.mean()) / 2 == pytest.approx(0.5, abs=0.03)
    assert p.mean() > q.mean() + 0.2


def test_a_fit_takes_two_clips_of_two_people():
    with pytest.raises(FitError, match="two clips of at least two people"):
        fit_style(people(1, 3))


def test_averages_over_windows_of_one_length():
    movement = talking(96)
    rows = [manner(movement.window(start, 48)) for start in (0, 24, 48)]
    np.testing.assert_allclose(usual_manner(movement), np.mean(rows, axis=0))
    assert np.isnan(usual_manner(talking(47))).all()


def style() -> StyleReward:
    return StyleReward(MotionReward(FaceFinder(ScriptedDetector()), Puppet(), SCALE), PLAIN)


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Subject(clip=clip(*[1] * 50)), "no reference given"),
        (Subject(clip=clip(*[0] * 50), reference=clip(*[1] * 50)), "no face"),
        (Subject(clip=clip(*[1] * 50), reference=clip(*[0] * 50)), "reference: no face"),
        (Subject(clip=clip(*[1] * 40), reference=clip(*[1] * 50)), "1.60 seconds, a manner takes"),
        (Subject(clip=clip(*[1] * 50), reference=clip(*[1] * 40)), "reference: 1.60 seconds"),
    ],
)
def test_missing_is_nan_with_a_reason(subject, reason):
    row = style().score([subject])[0]
    assert math.isnan(row.value)
    assert (row.reason or "").startswith(reason)
    assert not style().detail(subject).values


def test_the_same_movement_is_the_same_manner():
    subject = Subject(clip=clip(*[1] * 50), reference=clip(*[1] * 50))
    reward = style()
    assert reward.score([subject])[0].value == PLAIN.similarity(0.0)
    detail = reward.detail(subject)
    assert detail.values["distance"] == 0
    assert detail.values["z_amount of mouth"] == 0


class Nodding:
    """Points that sway as far as the clip's second pixel says."""

    hash = "nodding"
    layout = Puppet.layout

    def find(self, frames: np.ndarray, track: object) -> np.ndarray:
        return Puppet().find(frames, track) * (1 + frames[:, 0, 1, 0, None, None] / 50)  # type: ignore[arg-type]


def test_a_fit_is_written_and_read_again(tmp_path):
    rng = np.random.default_rng(0)
    clips = []
    for person in range(3):
        for _ in range(2):
            one = clip(*[1] * 50)
            frames = one.frames.copy()
            sway = 20 + 60 * person + 10 * np.sin(np.arange(50) * (1 + person) / 3)
            frames[:, 0, 1, 0] = (sway + rng.uniform(0, 5, 50)).astype(np.uint8)
            clips.append(replace(one, frames=frames, identity=str(person)))
    path = tmp_path / "manner.safetensors"
    fit_manner(clips, FaceFinder(ScriptedDetector()), Nodding(), path)
    scale, digest = load_style(path)
    assert len(scale.manner.within) == len(FEATURES)
    assert scale.width > 0
    assert len(digest) == 64
