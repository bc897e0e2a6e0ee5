from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from likeness.rewards.faces import Faces, iou
from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.packed import unpack

STRIDE = 8
OUTPUTS = 1 + 4 + 10


class PointNet(nn.Module):
    """Faces as points (Zhou, Wang and Kraehenbuehl 2019) on a grid of stride 8.

    For each cell: a logit that a face has its centre here, the distances from the cell's centre
    to the box's sides in strides, and the five points relative to the cell's centre in strides.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(3, width // 3, stride=2),
            ConvNorm(width // 3, 2 * width // 3, stride=2),
            ConvNorm(2 * width // 3, width, stride=2),
            ConvNorm(width, width),
            ConvNorm(width, width, dilation=2),
            ConvNorm(width, width),
        )
        self.head = nn.Conv2d(width, OUTPUTS, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) in -1..1 to (N, 15, H/8, W/8)."""
        return self.head(self.body(pixels))


class TestbedDetector:
    """The small face detector of the testbed; frames are scaled to a shorter side of 64.

    Args:
        path: packed weights.

    """

    __test__ = False
    kind = "face-detector"
    side = 64
    threshold = 0.5
    most = 8

    def __init__(self, path: Path) -> None:
        packed = unpack(path, self.kind)
        self.hash = packed.hash
        self.net = PointNet(**packed.settings)
        self.net.load_state_dict(packed.tensors)
        self.net.eval().to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def detect(self, frames: np.ndarray) -> list[Faces]:
        """Look at all frames in one batch."""
        height, width = frames.shape[1:3]
        scale = self.side / min(height, width)
        size = tuple(8 * round(edge * scale / 8) for edge in (width, height))
        scales = np.array([size[0] / width, size[1] / height], dtype=np.float32)
        if size != (width, height):
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            frames = np.stack([cv2.resize(f, size, interpolation=method) for f in frames])
        out = self.net(as_input(frames))
        peaks = _peaks(out[:, 0].sigmoid(), self.threshold)
        values = out.permute(0, 2, 3, 1).numpy()
        return [_decode(values[n], peaks[n], scales, self.most) for n in range(len(frames))]


def cell_centres(rows: int, columns: int) -> np.ndarray:
    """Pixel coordinates x, y of the cells' middles, (rows, columns, 2)."""
    y, x = np.mgrid[:rows, :columns]
    return (np.stack([x, y], axis=-1) * STRIDE + (STRIDE - 1) / 2).astype(np.float32)


def _peaks(heat: Tensor, threshold: float) -> np.ndarray:
    highest = functional.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]
    return ((heat == highest) & (heat > threshold)).numpy()


def _decode(values: np.ndarray, peaks: np.ndarray, scales: np.ndarray, most: int) -> Faces:
    at = np.argwhere(peaks)
    cells = values[at[:, 0], at[:, 1]]
    order = np.argsort(-cells[:, 0], kind="stable")[:most]
    cells, at = cells[order], at[order]
    centres = cell_centres(*values.shape[:2])[at[:, 0], at[:, 1]]
    sides = cells[:, 1:5] * STRIDE
    boxes = np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1)
    five = centres[:, None] + cells[:, 5:].reshape(-1, 5, 2) * STRIDE
    keep = _distinct(boxes)
    # pixel centres: (x + 0.5) scales, not x
    return Faces(
        boxes=((boxes[keep] + 0.5) / np.tile(scales, 2) - 0.5).astype(np.float32),
        five=((five[keep] + 0.5) / scales - 0.5).astype(np.float32),
        confidence=(1 / (1 + np.exp(-cells[keep, 0]))).astype(np.float32),
    )


def _distinct(boxes: np.ndarray, overlap: float = 0.4) -> list[int]:
    keep: list[int] = []
    for i in range(len(boxes)):
        if not keep or iou(boxes[keep], boxes[i]).max() < overlap:
            keep.append(i)
    return keep
