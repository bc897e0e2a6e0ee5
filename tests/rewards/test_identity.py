import math

import numpy as np
import pytest
from scripted import ScriptedDetector, clip

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder
from likeness.rewards.identity import IdentityReward, chamfer


def naive_chamfer(a: np.ndarray, b: np.ndarray) -> float:
    forward = sum(max(float(x @ y) for y in b) for x in a) / len(a)
    backward = sum(max(float(x @ y) for x in a) for y in b) / len(b)
    return (forward + backward) / 2


def unit_rows(seed: int, n: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, 8))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_chamfer_equals_the_loop() -> None:
    a, b = unit_rows(0, 7), unit_rows(1, 4)
    assert chamfer(a, b).value == pytest.approx(naive_chamfer(a, b), rel=1e-12)
    assert chamfer(a, b).value == pytest.approx(chamfer(b, a).value)
    assert chamfer(a, b).forward == pytest.approx(chamfer(b, a).backward)
    assert chamfer(a, a).value == pytest.approx(1)


class Brightness:
    """Embeds a crop by how bright it is."""

    hash = "brightness"
    size = 16
    zoom = 1.0

    def embed(self, crops: np.ndarray) -> np.ndarray:
        angle = crops.reshape(len(crops), -1).mean(axis=1) / 255 if len(crops) else np.zeros(0)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


@pytest.fixture
def reward() -> IdentityReward:
    return IdentityReward(FaceFinder(ScriptedDetector()), Brightness(), least_frames=3)


def test_scores_reference_and_target(reward: IdentityReward) -> None:
    subject = Subject(clip=clip(1, 1, 1), reference=clip(1, 1, 1, 1), target=clip(1, 1, 1))
    scores = reward.score([subject])
    assert [s.reward for s in scores] == ["identity_ref", "identity_target"]
    assert all(s.value == pytest.approx(1) for s in scores)
    assert scores[0].clip == subject.clip.hash
    assert scores[0].weights == "scripted+brightness"


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        (Subject(clip=clip(1, 1, 1)), "no reference given"),
        (Subject(clip=clip(0, 0, 0), reference=clip(1, 1, 1)), "no face in any of 3"),
        (Subject(clip=clip(2, 2, 2), reference=clip(1, 1, 1)), "two faces in 3 of 3"),
        (Subject(clip=clip(1), reference=clip(1, 1, 1)), "too short: 1 frames"),
        (Subject(clip=clip(1, 0, 1), reference=clip(1, 1, 1)), "only 2 of 3"),
        (Subject(clip=clip(1, 1, 1), reference=clip(1)), "reference: too short"),
    ],
)
def test_missing_is_nan_with_a_reason(
    reward: IdentityReward, subject: Subject, reason: str
) -> None:
    score = reward.score([subject])[0]
    assert math.isnan(score.value)
    assert score.reason is not None
    assert reason in score.reason


def test_a_bad_subject_spoils_no_other(reward: IdentityReward) -> None:
    good = Subject(clip=clip(1, 1, 1), reference=clip(1, 1, 1), clip_id="good")
    bad = Subject(clip=clip(0, 0, 0), reference=clip(1, 1, 1), clip_id="bad")
    scores = reward.score([bad, good, bad])
    assert [s.clip for s in scores[::2]] == ["bad", "good", "bad"]
    assert [math.isnan(s.value) for s in scores[::2]] == [True, False, True]
    assert reward.score([]) == []
