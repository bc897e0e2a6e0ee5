from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from likeness.rewards.detectors import STRIDE, PointNet, TestbedDetector, cell_centres
from likeness.rewards.fit.defects import relight, spoil_some
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.layers import as_input
from likeness.rewards.packed import pack
from likeness.store.progress import Progress, silent

WIDTH = 48
CANVAS = (64, 96)
LEAST_VISIBLE = 0.75

DETECTOR = FitConfig(steps=1200, batch=32, lr=4e-3)


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceFrames:
    """Frames with one known face each, and frames without any.

    Attributes:
        frames: (N, S, S, 3) uint8 RGB.
        boxes: (N, 4) x0 y0 x1 y1 in pixels.
        five: (N, 5, 2).
        empty: (M, S, S, 3) uint8, nobody in sight.

    """

    frames: np.ndarray
    boxes: np.ndarray
    five: np.ndarray
    empty: np.ndarray


def fit_detector(
    data: FaceFrames, path: Path, config: FitConfig = DETECTOR, progress: Progress = silent
) -> None:
    """Fit a PointNet on pairs of frames put side by side, scaled and shifted at random."""
    rng = np.random.default_rng(config.seed)
    net = seeded(lambda: PointNet(WIDTH), config.seed).to(memory_format=torch.channels_last)

    def loss() -> Tensor:
        canvases, targets = zip(*(_canvas(data, rng) for _ in range(config.batch)), strict=True)
        pixels = spoil_some(relight(np.stack(canvases), rng, 0.12), rng, 0.5, 0.7)
        return point_loss(net(as_input(pixels)), torch.from_numpy(np.stack(targets)))

    fit(net, loss, config, progress, "face detector")
    pack(path, TestbedDetector.kind, net.state_dict(), {"width": WIDTH})


def point_loss(out: Tensor, target: Tensor) -> Tensor:
    """Focal loss of the heat plus L1 of boxes and points (CornerNet eq. 1; CenterNet eq. 4).

    Args:
        out: (N, 15, h, w) of a PointNet.
        target: (N, 16, h, w): heat (1 face, 0 none, -1 don't care), the 14 regressed numbers,
            and 1 where they count.

    Returns:
        A scalar.

    """
    heat, wanted = out[:, 0], target[:, 0]
    cross = functional.binary_cross_entropy_with_logits(heat, wanted.clamp(0, 1), reduction="none")
    hard = (wanted - heat.sigmoid()).abs() ** 2
    care = (wanted >= 0).float()
    faces = (wanted == 1).sum().clamp(min=1)
    counted = target[:, 15:16]
    off = (out[:, 1:] - target[:, 1:15]).abs() * counted
    points = off[:, 4:].sum() + 0.5 * off[:, :4].sum()
    return (cross * hard * care).sum() / faces + points / (14 * counted.sum().clamp(min=1))


def _canvas(data: FaceFrames, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Put two frames side by side and look at a random part: picture and target."""
    size = data.frames.shape[1]
    halves, boxes, fives = [], [], []
    for side in range(2):
        if rng.random() < 0.3:
            halves.append(data.empty[rng.integers(len(data.empty))])
            continue
        i = rng.integers(len(data.frames))
        halves.append(data.frames[i])
        shift = np.array([side * size, 0])
        boxes.append(data.boxes[i] + np.tile(shift, 2))
        fives.append(data.five[i] + shift)
    height, width = CANVAS
    scale = np.exp(rng.uniform(np.log(0.7), np.log(1.35))) * 64 / size
    slack = np.array([width, height]) - scale * size * np.array([2, 1])
    shift = np.minimum(0, slack) * rng.uniform(size=2) + np.maximum(0, slack) * rng.uniform(size=2)
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    canvas = cv2.warpAffine(
        np.concatenate(halves, axis=1), matrix, (width, height), borderMode=cv2.BORDER_REPLICATE
    )
    moved = [box * scale + np.tile(shift, 2) for box in boxes]
    return canvas, _target(moved, [five * scale + shift for five in fives])


def _target(boxes: list[np.ndarray], fives: list[np.ndarray]) -> np.ndarray:
    """Write the faces down on the grid: (16, h, w) as `point_loss` wants them."""
    height, width = CANVAS
    centres = cell_centres(height // STRIDE, width // STRIDE)
    target = np.zeros((16, *centres.shape[:2]), dtype=np.float32)
    for box, five in zip(boxes, fives, strict=True):
        inside = np.clip(box, 0, [width, height, width, height])
        visible = (inside[2:] - inside[:2]).clip(0).prod() / (box[2:] - box[:2]).prod()
        middle = (box[:2] + box[2:]) / 2
        reach = np.abs(centres - middle).max(axis=-1)
        near = reach < 1.5 * STRIDE
        if visible < LEAST_VISIBLE:
            covered = (centres > box[:2]).all(-1) & (centres < box[2:]).all(-1)
            target[0][covered | near] = -1
            continue
        target[0][near] = -1
        target[0][reach == reach.min()] = 1
        sides = np.concatenate([centres - box[:2], box[2:] - centres], axis=-1)
        points = (five.reshape(-1) - np.tile(centres, 5)).astype(np.float32)
        numbers = np.concatenate([sides, points], axis=-1) / STRIDE
        target[1:15, near] = numbers[near].T
        target[15, near] = 1
    return target
