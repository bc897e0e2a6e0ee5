"""Faces cut out of decoded video so that gradients pass: what rewards do with OpenCV, in torch."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from likeness.rewards.align import invert, template, umeyama

BLACK = -1.0


def cut(frames: Tensor, to_crop: np.ndarray, size: int, outside: float = BLACK) -> Tensor:
    """Cut a square out of each frame, bilinear; pixel coordinates are those of OpenCV.

    On frames of 8-bit values it equals ``cv2.warpAffine`` to half a grey level, its rounding.

    Args:
        frames: (N, H, W, 3) in -1..1.
        to_crop: (N, 2, 3) from frame to crop in pixels, finite; it gets no gradient.
        size: pixels of the square crop.
        outside: value beyond the frame.

    Returns:
        (N, 3, size, size).

    """
    height, width = frames.shape[1:3]
    to_frame = torch.from_numpy(invert(to_crop)).to(frames)
    steps = torch.arange(size, dtype=frames.dtype, device=frames.device)
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    corners = torch.stack([columns, rows, torch.ones_like(rows)], -1)  # (size, size, 3)
    places = torch.einsum("yxk,nck->nyxc", corners, to_frame)
    scale = places.new_tensor([max(width - 1, 1), max(height - 1, 1)])
    images = frames.permute(0, 3, 1, 2) - outside
    return grid_sample(images, places * 2 / scale - 1, align_corners=True) + outside


def cut_aligned(
    frames: Tensor, five: np.ndarray, size: int, zoom: float
) -> tuple[Tensor, np.ndarray]:
    """Cut faces (M, H, W, 3) by their five points (M, 5, 2) as recognisers are shown them.

    Returns:
        (M, 3, size, size), and (M, 2, 3) from frame to crop.

    """
    matrices = umeyama(five, template(size, zoom))
    return cut(frames, matrices, size), matrices


def box_matrices(boxes: np.ndarray, size: int, margin: float = 0.1) -> np.ndarray:
    """Say where the square around each face box lies, (N, 2, 3) from frame to crop.

    Args:
        boxes: (N, 4) x0 y0 x1 y1 in pixels, finite.
        size: pixels of the square crop.
        margin: share of the box's longer side that is added on each side.

    """
    side = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) * (1 + 2 * margin)
    scale = size / np.maximum(side, 1.0)
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = (size - 1) / 2 - scale[:, None] * middle
    return matrices
