"""insightface's models through our interfaces, against insightface itself."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from insightface.app.common import Face
from insightface.model_zoo import get_model
from onnx_models import write_detector, write_recogniser

from likeness.rewards.align import TEMPLATE_112, crop_faces, template, umeyama
from likeness.rewards.buffalo import BuffaloError, InsightFaceDetector, InsightFaceRecogniser
from likeness.rewards.face_models import RECOGNISERS, preferred
from likeness.rewards.recognisers import OnnxRecogniser, holds_own_normalisation
from likeness.rewards.sets import RewardSet
from likeness.store.weights import WEIGHTS, WeightsError, file_hash

CPU = ["CPUExecutionProvider"]


def pictures(seed: int, n: int, height: int, width: int) -> np.ndarray:
    """Coarse random patterns: smooth, so that a crop has little to interpolate."""
    coarse = np.random.default_rng(seed).integers(0, 255, (n, 6, 6, 3), dtype=np.uint8)
    return np.stack([cv2.resize(p, (width, height), interpolation=cv2.INTER_CUBIC) for p in coarse])


@pytest.mark.parametrize("normalises", [False, True])
def test_embeds_as_get_feat(tmp_path: Path, normalises: bool) -> None:
    path = write_recogniser(tmp_path / "r.onnx", normalises=normalises)
    crops = pictures(0, 40, 112, 112)
    theirs = get_model(str(path), providers=CPU).get_feat([c[..., ::-1].copy() for c in crops])
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    ours = InsightFaceRecogniser(path)
    np.testing.assert_allclose(ours.embed(crops), theirs, atol=1e-6)
    np.testing.assert_allclose(OnnxRecogniser(path, "auto").embed(crops), theirs, atol=1e-5)
    assert holds_own_normalisation(path) is normalises
    assert ours.hash == file_hash(path)
    assert ours.size == 112
    assert ours.embed(crops[:0]).shape == (0, 16)


def test_normalisation_counts(tmp_path: Path) -> None:
    path = write_recogniser(tmp_path / "r.onnx")
    crops = pictures(0, 4, 112, 112)
    right, wrong = (OnnxRecogniser(path, n).embed(crops) for n in ("insightface", "none"))
    assert np.abs(right - wrong).max() > 0.1


def test_alignment_and_embedding_as_insightface_gets_a_face(tmp_path: Path) -> None:
    path = write_recogniser(tmp_path / "r.onnx")
    frame = pictures(3, 1, 300, 400)[0]
    turn = np.array([[0.9, -0.3], [0.3, 0.9]])
    five = (TEMPLATE_112 @ turn.T * 1.3 + [120, 40]).astype(np.float32)
    face = Face(kps=five)
    theirs = get_model(str(path), providers=CPU).get(frame[..., ::-1].copy(), face)
    crop = crop_faces(frame[None], umeyama(five, template(112))[None], 112)
    ours = InsightFaceRecogniser(path).embed(crop)[0]
    # the two fits differ in the last bits, and OpenCV rounds places to 1/32 of a pixel
    np.testing.assert_allclose(ours, theirs / np.linalg.norm(theirs), atol=1e-3)
    assert ours @ theirs / np.linalg.norm(theirs) > 1 - 1e-5


@pytest.mark.parametrize("shape", [(200, 300), (300, 200), (64, 64)])
def test_detects_as_scrfd(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = write_detector(tmp_path / "d.onnx")
    frames = pictures(1, 3, *shape)
    net = get_model(str(path), providers=CPU)
    net.prepare(0, input_size=(320, 320), det_thresh=0.4)
    found = InsightFaceDetector(path, threshold=0.4, side=320).detect(frames)
    for frame, faces in zip(frames, found, strict=True):
        boxes, five = net.detect(frame[..., ::-1].copy())
        assert len(boxes) >= 2
        np.testing.assert_allclose(faces.boxes, boxes[:, :4], rtol=1e-6)
        np.testing.assert_allclose(faces.confidence, boxes[:, 4], rtol=1e-6)
        np.testing.assert_allclose(faces.five, five, rtol=1e-6)
        assert (np.diff(faces.confidence) <= 0).all()
    none = InsightFaceDetector(path, threshold=1.0, side=320).detect(frames)[0]
    assert none.five.shape == (0, 5, 2)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    recogniser = write_recogniser(tmp_path / "r.onnx")
    detector = write_detector(tmp_path / "d.onnx")
    with pytest.raises(BuffaloError, match="holds a model for recognition, one for detection"):
        InsightFaceDetector(recogniser)
    with pytest.raises(BuffaloError, match="holds a model for detection, one for recognition"):
        InsightFaceRecogniser(detector)


def test_the_pack_is_preferred_where_it_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIKENESS_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError, match="mobilefacenet missing"):
        preferred(RECOGNISERS)
    with pytest.raises(WeightsError, match="yunet missing"):
        RewardSet.load("real")
    recogniser = write_recogniser(tmp_path / WEIGHTS["buffalo_l"].file)
    detector = write_detector(tmp_path / WEIGHTS["buffalo_l_detector"].file)
    rewards = RewardSet.load("real")
    assert isinstance(rewards.recogniser, InsightFaceRecogniser)
    assert rewards.versions["identity_ref"].endswith(
        f"{file_hash(detector)}+{file_hash(recogniser)}"
    )
    assert "non-commercial" in WEIGHTS["buffalo_l"].licence
