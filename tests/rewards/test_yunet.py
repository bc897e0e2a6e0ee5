"""YuNet through onnxruntime against OpenCV's own reading of it; skipped without its weights."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from likeness.rewards.yunet import YuNetDetector
from likeness.store.weights import WeightsError, find

# a film of an odd size, a wide one that is scaled, a portrait, several people, and nobody
PICTURES = (
    "video/man_suit_retalking.mp4",
    "video/woman_home_liveportrait_s18.mp4",
    "video/generated_fantasytalking.mp4",
    "images/obama_and_biden.jpg",
    None,
)


@pytest.fixture(scope="module")
def weights() -> Path:
    try:
        return find("yunet")
    except WeightsError as error:
        pytest.skip(str(error))


def picture(name: str | None) -> np.ndarray:
    if name is None:
        return np.random.default_rng(0).integers(0, 255, (200, 333, 3), np.uint8)
    folder = os.environ.get("LIKENESS_MEDIA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("LIKENESS_MEDIA names no folder of real clips")
    ok, frame = cv2.VideoCapture(str(Path(folder) / name)).read()
    assert ok
    return np.ascontiguousarray(frame[..., ::-1])


def opencv(weights: Path, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    height, width = frame.shape[:2]
    scale = min(max(height, width, 320), 640) / max(height, width)
    size = round(width * scale), round(height * scale)
    net = cv2.FaceDetectorYN.create(str(weights), "", size, 0.6)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(frame, size, interpolation=method)
    _, rows = net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    rows = np.zeros((0, 15)) if rows is None else rows[np.argsort(-rows[:, 14], kind="stable")]
    across = np.array([size[0] / width, size[1] / height])
    corner, extent = rows[:, :2] / across, rows[:, 2:4] / across
    boxes = np.concatenate([corner, corner + extent], axis=1)
    return boxes, rows[:, 4:14].reshape(-1, 5, 2) / across, rows[:, 14]


@pytest.mark.parametrize("name", PICTURES)
def test_sees_what_opencv_sees(weights: Path, name: str | None) -> None:
    frame = picture(name)
    boxes, five, confidence = opencv(weights, frame)
    first, second = YuNetDetector(weights).detect(np.stack([frame, frame]))
    assert len(first.boxes) == len(boxes)
    assert bool(len(boxes)) == (name is not None)
    np.testing.assert_allclose(first.boxes, boxes, atol=2e-3)
    np.testing.assert_allclose(first.five, five, atol=2e-3)
    np.testing.assert_allclose(first.confidence, confidence, atol=1e-5)
    np.testing.assert_array_equal(first.boxes, second.boxes)
