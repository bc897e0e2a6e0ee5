import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.faces import FaceTrack
from likeness.rewards.fit.defects import DEFECTS, relight, spoil_some
from likeness.rewards.fit.detector import FaceFrames, fit_detector, point_loss
from likeness.rewards.fit.landmarker import MarkedFaces, fit_landmarker
from likeness.rewards.fit.loop import FitConfig, FitError, schedule
from likeness.rewards.fit.motion import usual_differences
from likeness.rewards.fit.quality import fit_quality
from likeness.rewards.fit.recogniser import Margin, NamedFaces, arcface_loss, fit_recogniser
from likeness.rewards.fit.syncnet import contrast_loss, fit_syncnet
from likeness.rewards.landmarks import TestbedLandmarker
from likeness.rewards.packed import PackedError, pack, unpack
from likeness.rewards.quality import TestbedQuality
from likeness.rewards.recognisers import TestbedRecogniser
from likeness.rewards.syncnet import SyncEmbedder

BRIEF = FitConfig(steps=3, batch=4, lr=1e-3, seed=1)

NAMES = (
    "left_eye_outer", "left_eye_inner", "left_eye_top", "left_eye_bottom",
    "right_eye_inner", "right_eye_outer", "right_eye_top", "right_eye_bottom",
    "nose_tip", "lip_inner_top", "lip_inner_bottom",
)  # fmt: skip

FIVE = np.array([[24.0, 26], [40, 26], [32, 34], [26, 44], [38, 44]])


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """Discs with eyes and a mouth, of eight colours."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 60, (16, 64, 64, 3), dtype=np.uint8)
    for i, frame in enumerate(frames):
        colour = [80 + 20 * (i % 8), 220 - 15 * (i % 8), 150]
        cv2.ellipse(frame, (32, 34), (17, 22), 0, 0, 360, colour, -1, cv2.LINE_AA)
        for x, y in FIVE.astype(int):
            cv2.circle(frame, (int(x), int(y)), 2, (20, 20, 20), -1, cv2.LINE_AA)
    return frames


def detector_data(drawn: np.ndarray) -> FaceFrames:
    n = len(drawn)
    return FaceFrames(
        frames=drawn,
        boxes=np.tile([15.0, 12, 49, 56], (n, 1)),
        five=np.tile(FIVE, (n, 1, 1)),
        empty=np.zeros((2, 64, 64, 3), dtype=np.uint8),
    )


def named(drawn: np.ndarray) -> NamedFaces:
    n = len(drawn)
    return NamedFaces(frames=drawn, five=np.tile(FIVE, (n, 1, 1)), labels=np.arange(n) % 8)


def test_detector_learns_in_a_few_steps_and_loads(drawn: np.ndarray, tmp_path: Path) -> None:
    losses: list[float] = []

    def note(done: int, total: int, text: str) -> None:
        losses.append(float(text.rsplit(" ", 1)[1]))

    config = FitConfig(steps=14, batch=4, lr=4e-3)
    fit_detector(detector_data(drawn), tmp_path / "d.safetensors", config, note)
    assert len(losses) == 14
    assert np.mean(losses[-4:]) < 0.8 * losses[0]
    found = TestbedDetector(tmp_path / "d.safetensors").detect(drawn[:3])
    assert len(found) == 3
    assert all(f.boxes.shape[1:] == (4,) for f in found)


def test_every_fit_writes_what_its_loader_reads(drawn: np.ndarray, tmp_path: Path) -> None:
    n = len(drawn)
    fit_recogniser(named(drawn), tmp_path / "r.safetensors", BRIEF)
    recogniser = TestbedRecogniser(tmp_path / "r.safetensors")
    rows = recogniser.embed(np.zeros((3, recogniser.size, recogniser.size, 3), dtype=np.uint8))
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert recogniser.embed(np.zeros((0, 48, 48, 3), dtype=np.uint8)).shape == (0, rows.shape[1])

    marked = MarkedFaces(
        frames=drawn,
        five=np.tile(FIVE, (n, 1, 1)),
        landmarks=np.random.default_rng(0).uniform(15, 50, (n, len(NAMES), 2)),
        names=NAMES,
    )
    fit_landmarker(marked, tmp_path / "l.safetensors", BRIEF)
    landmarker = TestbedLandmarker(tmp_path / "l.safetensors")
    assert landmarker.layout.nose == 8
    points = landmarker.find(drawn[:2], still(2, missing=1))
    assert np.isfinite(points[0]).all()
    assert np.isnan(points[1]).all()

    fit_quality(drawn, tmp_path / "q.safetensors", BRIEF)
    assert TestbedQuality(tmp_path / "q.safetensors").hash


def still(frames: int, missing: int | None = None) -> FaceTrack:
    boxes = np.tile(np.float32([15, 12, 49, 56]), (frames, 1))
    five = np.tile(FIVE.astype(np.float32), (frames, 1, 1))
    if missing is not None:
        boxes[missing], five[missing] = np.nan, np.nan
    return FaceTrack(
        boxes=boxes,
        five=five,
        confidence=np.ones(frames, dtype=np.float32),
        people=np.ones(frames, dtype=int),
    )


def test_syncnet_fits_and_loads(drawn: np.ndarray, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [
        (drawn[:12], still(12), rng.uniform(-0.5, 0.5, 12 * 640).astype(np.float32))
        for _ in range(3)
    ]
    fit_syncnet(clips, tmp_path / "s.safetensors", FitConfig(steps=2, batch=2, lr=1e-3))
    embedder = SyncEmbedder.packed(tmp_path / "s.safetensors")
    crop = embedder.config.crop
    lips = embedder.lips(np.zeros((2, 9, crop, crop, 3), dtype=np.uint8))
    assert lips.shape == (2, 5, embedder.config.embedding)


def test_same_seed_same_bytes(drawn: np.ndarray, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit_recogniser(named(drawn), tmp_path / f"{name}.safetensors", BRIEF)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_fitting_leaves_torch_random_state_alone(drawn: np.ndarray, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    fit_quality(drawn, tmp_path / "q.safetensors", BRIEF)
    assert torch.equal(before, torch.random.get_rng_state())


def test_arcface_equals_the_formula() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 4)), rng.normal(size=(3, 4))
    labels = [0, 2, 1, 1, 0]
    total = 0.0
    for row, label in zip(x, labels, strict=True):
        cosines = [float(row @ c / np.linalg.norm(row) / np.linalg.norm(c)) for c in w]
        logits = [24 * c for c in cosines]
        logits[label] = 24 * math.cos(math.acos(cosines[label]) + 0.35)
        total -= logits[label] - math.log(sum(math.exp(v) for v in logits))
    loss = arcface_loss(torch.from_numpy(x), torch.from_numpy(w), torch.tensor(labels), Margin())
    assert float(loss) == pytest.approx(total / 5, rel=1e-6)


def test_contrast_equals_the_formula() -> None:
    rng = np.random.default_rng(0)
    v, a = rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 4, 3))
    total = 0.0
    for n in range(2):
        square = [[-float(((x - y) ** 2).sum()) for y in a[n]] for x in v[n]]
        for i in range(4):
            row, column = square[i], [square[j][i] for j in range(4)]
            for logits in (row, column):
                total -= logits[i] - math.log(sum(math.exp(z) for z in logits))
    loss = contrast_loss(torch.from_numpy(v), torch.from_numpy(a))
    assert float(loss) == pytest.approx(total / 16)


def test_point_loss_ignores_what_is_not_to_be_counted() -> None:
    target = torch.zeros(1, 16, 2, 2)
    target[0, 0, 0, 0], target[0, 15, 0, 0] = 1, 1
    target[0, 0, 0, 1] = -1
    out = torch.randn(1, 15, 2, 2, generator=torch.Generator().manual_seed(0))
    other = out.clone()
    other[0, :, 0, 1] += 5
    other[0, 1:, 1] -= 3
    assert float(point_loss(out, target)) == pytest.approx(float(point_loss(other, target)))


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defects_grow_with_their_strength(name: str, drawn: np.ndarray) -> None:
    def change(strength: float) -> float:
        worse = DEFECTS[name](drawn[0], strength, np.random.default_rng(0))
        return float(np.abs(worse.astype(float) - drawn[0]).mean())

    assert 0 < change(0.3) < change(1.0)


def test_spoiling_leaves_the_originals_alone(drawn: np.ndarray) -> None:
    before = drawn.copy()
    spoil_some(relight(drawn, np.random.default_rng(0), 0.1), np.random.default_rng(0), 1.0, 1.0)
    np.testing.assert_array_equal(drawn, before)


def test_usual_differences_are_within_people() -> None:
    people = [np.array([[1.0, 0], [3, np.nan]]), np.array([[10.0, 5], [10, 6]])]
    assert usual_differences(people).deviations == pytest.approx((math.sqrt(2), 1.0))
    with pytest.raises(FitError, match="two clips"):
        usual_differences([])


def test_settings_are_checked() -> None:
    with pytest.raises(FitError, match=r"rewards\.fit\.steps must be positive, got 0"):
        FitConfig(steps=0, batch=1, lr=1e-3)
    assert schedule(0, 100) < schedule(5, 100)
    assert schedule(99, 100) < 0.01


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    pack(path, "one", {"a": torch.ones(2)}, {"b": 1})
    assert unpack(path, "one").settings == {"b": 1}
    with pytest.raises(PackedError, match="holds 'one', 'other' expected"):
        unpack(path, "other")
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(PackedError, match="can't be read"):
        unpack(path, "one")
