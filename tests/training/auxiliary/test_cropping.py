"""Crops in torch against those that rewards make with OpenCV."""

import numpy as np
import pytest
import torch

from likeness.model.encoders.encoding import to_signed
from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.faces import FaceTrack
from likeness.rewards.lipsync import OUTSIDE, crop_track, track_matrices
from likeness.rewards.syncnet import CropShape
from likeness.training.auxiliary.cropping import box_matrices, cut, cut_aligned

ROUNDING = 0.51  # grey levels: OpenCV's crops are whole ones


def grey(crops: torch.Tensor) -> np.ndarray:
    return ((crops + 1) * 127.5).permute(0, 2, 3, 1).double().numpy()


def off(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.abs(mine - theirs.astype(np.float64))


@pytest.mark.parametrize("zoom", [0.5, 0.9, 1.6])
def test_aligned_faces_equal_those_of_the_rewards(talking, zoom):
    frames, five = talking.frames[0, 0, :6], talking.five[0, 0, :6].astype(np.float64)
    theirs = crop_faces(frames, umeyama(five, template(48, zoom)), 48)
    mine, _ = cut_aligned(to_signed(frames), five, 48, zoom)
    assert off(grey(mine), theirs).max() < ROUNDING


def test_lips_equal_those_of_the_reward_beyond_the_frame_too(talking):
    frames, boxes = talking.frames[1, 0, :20], talking.boxes[1, 0, :20]
    track = FaceTrack(
        boxes=boxes,
        five=talking.five[1, 0, :20],
        confidence=np.ones(20, np.float32),
        people=np.ones(20, int),
    )
    shape = CropShape(above=1.6, below=2.4, beside=2.0)
    theirs = crop_track(frames, track, shape, 40)
    assert (theirs == OUTSIDE).all(-1).mean() > 0.2
    matrices = track_matrices(boxes.astype(np.float64), shape, 40)
    mine = cut(to_signed(frames), matrices, 40, outside=OUTSIDE / 127.5 - 1)
    assert off(grey(mine), theirs).max() < ROUNDING


def test_a_shift_by_whole_pixels_is_exact():
    frames = torch.rand(2, 10, 12, 3, dtype=torch.float64)
    shift = np.tile(np.array([[1.0, 0, -3], [0, 1.0, -2]]), (2, 1, 1))
    crops = cut(frames, shift, 5)
    torch.testing.assert_close(crops, frames[:, 2:7, 3:8].permute(0, 3, 1, 2))


def test_the_box_lies_in_the_middle_of_its_crop():
    boxes = np.array([[10.0, 20, 30, 60]])
    matrix = box_matrices(boxes, 48, margin=0.1)[0]
    corners = np.array([[20 - 24, 40 - 24, 1], [20 + 24, 40 + 24, 1]]) @ matrix.T
    np.testing.assert_allclose(corners, [[-0.5, -0.5], [47.5, 47.5]])


def test_no_face_gives_no_crops():
    crops, _ = cut_aligned(torch.zeros(0, 16, 16, 3), np.zeros((0, 5, 2)), 48, 0.9)
    assert crops.shape == (0, 3, 48, 48)


def test_gradients_pass_finite_differences():
    frames = torch.rand(1, 6, 7, 3, dtype=torch.float64, requires_grad=True)
    matrix = np.array([[[0.9, 0.2, 0.3], [-0.2, 0.9, 1.1]]])
    assert torch.autograd.gradcheck(lambda f: cut(f, matrix, 5), frames)
