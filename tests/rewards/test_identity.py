import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scripted import BIG, ScriptedDetector, clip, faces

from likeness.rewards.base import Subject
from likeness.rewards.chamfer import best_matches
from likeness.rewards.faces import FaceFinder, Faces
from likeness.rewards.identity import IdentityReward, chamfer
from likeness.rewards.thresholds import Threshold, ThresholdError, keep, place_of, stored
from likeness.store.clip import Clip


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


def lit(codes: tuple[int, ...], left: int, right: int = 0) -> Clip:
    """Frames of the script, with the left and the right half lit so far."""
    made = clip(*codes)
    frames = made.frames.copy()
    frames[:, 1:, :50], frames[:, 1:, 50:] = left, right
    return replace(made, frames=frames)


def test_of_two_faces_the_reference_tells_which_is_meant(reward: IdentityReward) -> None:
    both = lit((2, 2, 2), 20, 240)
    for light, track in ((20, 0), (240, 1)):
        subject = Subject(clip=both, reference=lit((1, 1, 1), light))
        assert reward.score([subject])[0].value == pytest.approx(1, abs=0.01)
        values = reward.detail(subject).values
        assert (values["track"], values["people"], values["frames"]) == (track, 2, 3)


def test_two_faces_alike_stay_untold(reward: IdentityReward) -> None:
    subject = Subject(clip=lit((2, 2, 2), 100, 110), reference=lit((1, 1, 1), 100))
    score = reward.score([subject])[0]
    assert "two faces in 3 of 3" in (score.reason or "")
    assert "none is plainly the reference's" in (score.reason or "")
    values = reward.detail(subject).values
    assert math.isnan(values["identity_ref_forward"])


def test_detail_equals_loops_over_frames(reward: IdentityReward) -> None:
    mine = replace(clip(1, 0, 1, 1), frames=shades((1, 0, 1, 1), (10, 0, 90, 200)))
    theirs = replace(clip(1, 1, 1), frames=shades((1, 1, 1), (40, 90, 250)))
    subject = Subject(clip=mine, reference=theirs)
    a, b = (p.embeddings for p in reward.portraits([mine, theirs]))
    detail = reward.detail(subject)
    best = [max(float(x @ y) for y in b) for x in a]
    np.testing.assert_allclose(
        detail.curves["identity_ref"], [best[0], math.nan, best[1], best[2]], rtol=1e-6
    )
    values = detail.values
    assert values["identity_ref_forward"] == pytest.approx(sum(best) / 3)
    assert values["identity_ref_backward"] == pytest.approx(
        sum(max(float(x @ y) for x in a) for y in b) / 3
    )
    assert (values["coverage"], values["frames"]) == (0.75, 3)
    assert (values["identity_ref_coverage"], values["identity_ref_frames"]) == (1, 3)
    both = (values["identity_ref_forward"] + values["identity_ref_backward"]) / 2
    assert reward.score([subject])[0].value == pytest.approx(both)
    assert math.isnan(values["identity_target_forward"])
    assert "identity_target" not in detail.curves


def shades(codes: tuple[int, ...], lights: tuple[int, ...]) -> np.ndarray:
    frames = clip(*codes).frames.copy()
    frames[:, 1:] = np.array(lights, dtype=np.uint8)[:, None, None, None]
    return frames


class TurningDetector(ScriptedDetector):
    """Sees one face whose nose is moved aside by as many percent of its width as a code says."""

    def detect(self, frames: np.ndarray) -> list[Faces]:
        return [self._turned(frame[0, 0, 0] / 100) for frame in frames]

    def _turned(self, aside: float) -> Faces:
        face = faces(BIG)
        face.five[0, 2, 0] += aside * 40
        return face


def test_similarity_by_pose(monkeypatch: pytest.MonkeyPatch) -> None:
    reward = IdentityReward(FaceFinder(TurningDetector()), Brightness(), least_frames=3)
    # half the eyes' distance is 20 % of the width: 5 % is 14 degrees, 20 % 45, 60 % 72
    codes = (0, 5, 20, 20, 60)
    mine = replace(clip(*codes), frames=shades(codes, (50, 60, 70, 80, 90)))
    theirs = replace(clip(0, 0, 0), frames=shades((0, 0, 0), (55, 55, 55)))
    detail = reward.detail(Subject(clip=mine, reference=theirs))
    np.testing.assert_allclose(
        detail.curves["yaw"], np.degrees(np.arctan([0, 0.25, 1, 1, 3])), atol=1e-4
    )
    match = detail.curves["identity_ref"]
    for name, where in (("frontal", [0, 1]), ("half", [2, 3]), ("profile", [4])):
        assert detail.values[f"identity_ref_{name}"] == pytest.approx(match[where].mean())
    straight = reward.detail(Subject(clip=theirs, reference=theirs))
    assert straight.values["identity_ref_frontal"] == pytest.approx(1)
    assert math.isnan(straight.values["identity_ref_half"])
    assert math.isnan(straight.values["identity_ref_profile"])


class Counting(Brightness):
    """Notes how many crops come at once."""

    def __init__(self) -> None:
        self.most = 0

    def embed(self, crops: np.ndarray) -> np.ndarray:
        self.most = max(self.most, len(crops))
        return super().embed(crops)


def test_long_clips_are_embedded_in_batches() -> None:
    recogniser = Counting()
    reward = IdentityReward(FaceFinder(ScriptedDetector()), recogniser)
    rng = np.random.default_rng(0)
    lights = tuple(rng.integers(0, 255, 1200))
    long = replace(clip(*[1] * 1200), frames=shades((1,) * 1200, lights))
    short = replace(clip(*[1] * 30), frames=shades((1,) * 30, lights[:30]))
    first, second = reward.portraits([long, short])
    assert recogniser.most <= 1024
    np.testing.assert_array_equal(first.frames, np.arange(1200))
    np.testing.assert_allclose(first.embeddings[:30], second.embeddings, atol=1e-6)
    best = best_matches(first.embeddings, second.embeddings)
    table = first.embeddings @ second.embeddings.T
    np.testing.assert_allclose(best[0], table.max(axis=1))
    np.testing.assert_allclose(best[1], table.max(axis=0))


def a_threshold(recogniser: str, value: float = 0.9) -> Threshold:
    return Threshold(
        recogniser=recogniser,
        value=value,
        low=0.8,
        high=0.95,
        rule="FAR 0.01",
        far=0.01,
        tar=0.9,
        genuine=100,
        impostor=1000,
        people=20,
    )


def test_says_whether_it_is_the_same_person() -> None:
    finder = FaceFinder(ScriptedDetector())
    reward = IdentityReward(finder, Brightness(), 3, a_threshold("brightness"))
    near = Subject(clip=lit((1, 1, 1), 100), reference=lit((1, 1, 1), 105))
    far = Subject(clip=lit((1, 1, 1), 0), reference=lit((1, 1, 1), 250))
    assert reward.detail(near).values["same_person"] == 1
    assert reward.detail(far).values["same_person"] == 0
    assert math.isnan(reward.detail(Subject(clip=near.clip)).values["same_person"])
    plain = IdentityReward(finder, Brightness(), 3)
    assert math.isnan(plain.detail(near).values["same_person"])


def test_a_threshold_of_another_recogniser_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ThresholdError, match="is of recogniser other, not of brightness"):
        IdentityReward(FaceFinder(ScriptedDetector()), Brightness(), threshold=a_threshold("other"))
    assert stored("brightness", tmp_path) is None
    path = keep(a_threshold("other"), tmp_path)
    assert stored("other", tmp_path) == a_threshold("other")
    path.rename(place_of("brightness", tmp_path))
    with pytest.raises(ThresholdError, match="calibrate that one"):
        stored("brightness", tmp_path)
    place_of("brightness", tmp_path).write_text("{}")
    with pytest.raises(ThresholdError, match="no threshold"):
        stored("brightness", tmp_path)
