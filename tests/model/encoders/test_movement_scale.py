"""Coefficients of video frames to those of latent frames, and back."""

import numpy as np
import pytest
import torch

from likeness.model import ModelError
from likeness.model.encoders.movement import MovementScale, by_frame, by_latent

NAMES = ("x", "y", "mouth")


@pytest.fixture
def scale() -> MovementScale:
    rows = np.random.default_rng(0).normal([1, 2, 3], [0.5, 4, 0], (400, 3))
    return MovementScale.fit(NAMES, rows.astype(np.float32))


def test_a_latent_frame_holds_its_four_video_frames():
    frames = torch.arange(9.0)[None, :, None]
    assert by_latent(frames)[0].tolist() == [[0, 0, 0, 0], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert torch.equal(by_latent(frames[:, :5]), by_latent(frames[:, :8]))
    many = torch.randn(2, 13, 7)
    torch.testing.assert_close(by_frame(by_latent(many)), many)
    assert by_latent(many)[0, 2, 7:14].tolist() == many[0, 6].tolist()
    told = torch.tensor([[1.0, 2, 3, 6], [1, 2, 3, 4]])  # a prediction may contradict itself
    assert by_frame(told)[:, 0].tolist() == [3, 1, 2, 3, 4]


def test_encoding_normalises_and_decoding_undoes_it(scale):
    given = torch.randn(2, 9, 3) * 4 + 2
    given[1, 4] = torch.nan
    encoded = scale.encode(given)
    assert encoded.shape == (2, 3, scale.size)
    for k in range(3):
        expected = (given[0, 5, k] - scale.mean[k]) / scale.std[k]
        torch.testing.assert_close(encoded[0, 2, k], expected)
    torch.testing.assert_close(scale.decode(encoded), given, equal_nan=True)
    assert encoded[1].isnan().any(-1).tolist() == [False, True, False]


def test_a_scale_is_fitted_where_there_is_a_face():
    rows = np.random.default_rng(0).normal([1, 2, 3], [0.5, 4, 0], (4000, 3))
    rows[:100] = np.nan
    scale = MovementScale.fit(NAMES, rows)
    assert scale.mean == pytest.approx((1, 2, 3), abs=0.2)
    assert scale.std == pytest.approx((0.5, 4, 0.001), rel=0.05)


def test_it_is_read_as_it_was_written(scale, tmp_path):
    scale.save(tmp_path / "movement.json")
    assert MovementScale.load(tmp_path / "movement.json") == scale
    for text in ("{", "[]", '{"names": ["x"], "mean": [0], "std": []}', '{"names": ["x"]}'):
        (tmp_path / "movement.json").write_text(text)
        with pytest.raises(ModelError, match=r"movement"):
            MovementScale.load(tmp_path / "movement.json")
    with pytest.raises(ModelError, match="missing or damaged"):
        MovementScale.load(tmp_path / "nowhere.json")


def test_what_does_not_fit_is_refused(scale):
    with pytest.raises(ModelError, match="2 coefficients a frame, the checkpoint knows 3: x, y"):
        scale.encode(torch.zeros(1, 5, 2))
    with pytest.raises(ModelError, match="needs 2 frames with a face, got 0"):
        MovementScale.fit(NAMES, np.full((9, 3), np.nan))
    with pytest.raises(ModelError, match="deviations positive"):
        MovementScale(names=("x",), mean=(0.0,), std=(0.0,))
