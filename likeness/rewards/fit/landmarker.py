from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from likeness.rewards.align import apply, crop_faces, template, umeyama
from likeness.rewards.fit.defects import relight, spoil_some
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.landmarks import PointRegressor, TestbedLandmarker
from likeness.rewards.layers import as_input
from likeness.rewards.packed import pack
from likeness.store.progress import Progress, silent

SIZE = 48
ZOOM = 0.9
WIDTH = 16
JITTER = 0.6
MOVING = ("lip", "mouth", "eye_top", "eye_bottom")

LANDMARKER = FitConfig(steps=1200, batch=128, lr=3e-3)


@dataclass(frozen=True, kw_only=True, eq=False)
class MarkedFaces:
    """Frames with known landmarks.

    Attributes:
        frames: (N, S, S, 3) uint8 RGB.
        five: (N, 5, 2) pixels.
        landmarks: (N, K, 2) pixels.
        names: K names, as `Layout.of_names` wants them.

    """

    frames: np.ndarray
    five: np.ndarray
    landmarks: np.ndarray
    names: tuple[str, ...]


def fit_landmarker(
    data: MarkedFaces, path: Path, config: FitConfig = LANDMARKER, progress: Progress = silent
) -> None:
    """Fit a PointRegressor; lids and lips count four times, because they tell the motion."""
    rng = np.random.default_rng(config.seed)
    names = list(data.names)
    net = seeded(lambda: PointRegressor(len(names), SIZE, WIDTH), config.seed)
    net.to(memory_format=torch.channels_last)
    moving = [any(part in name for part in MOVING) for name in names]
    weights = torch.tensor([4.0 if m else 1.0 for m in moving])[:, None]

    def loss() -> Tensor:
        chosen = rng.integers(len(data.frames), size=config.batch)
        crops, points = _aligned(data, chosen, rng)
        crops = spoil_some(relight(crops, rng, 0.12), rng, 0.4, 0.5)
        off = (net(as_input(crops)) - torch.from_numpy(points)).abs()
        return (off * weights).mean() * SIZE / 2 / weights.mean()

    fit(net, loss, config, progress, "landmarks")
    settings = {
        "points": len(names),
        "size": SIZE,
        "width": WIDTH,
        "zoom": ZOOM,
        "names": names,
    }
    pack(path, TestbedLandmarker.kind, net.state_dict(), settings)


def _aligned(
    data: MarkedFaces, chosen: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Crop as an imperfect detector would; points relative to the crop's middle."""
    five = data.five[chosen]
    moved = five + rng.normal(0, JITTER, five.shape) + rng.normal(0, JITTER, (len(five), 1, 2))
    matrices = umeyama(moved, template(SIZE, ZOOM))
    points = apply(matrices, data.landmarks[chosen]) * 2 / SIZE - 1
    return crop_faces(data.frames[chosen], matrices, SIZE), points.astype(np.float32)
