from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from likeness.rewards.fit.defects import relight, spoil
from likeness.rewards.fit.loop import FitConfig, fit, seeded
from likeness.rewards.layers import as_input
from likeness.rewards.packed import pack
from likeness.rewards.quality import CleanNet, TestbedQuality
from likeness.store.progress import Progress, silent

WIDTH = 16
CLEAN = 0.2

QUALITY = FitConfig(steps=1000, batch=64, lr=3e-3)


def fit_quality(
    frames: np.ndarray, path: Path, config: FitConfig = QUALITY, progress: Progress = silent
) -> None:
    """Fit a CleanNet to tell how near a spoilt frame is to its clean original without seeing it.

    Args:
        frames: (N, S, S, 3) uint8 RGB, clean.
        path: file to write.
        config: steps and rate.
        progress: told of each step.

    """
    rng = np.random.default_rng(config.seed)
    net = seeded(lambda: CleanNet(WIDTH), config.seed).to(memory_format=torch.channels_last)

    def loss() -> Tensor:
        clean = relight(frames[rng.integers(len(frames), size=config.batch)], rng, 0.08)
        spoilt = np.stack([f if rng.random() < CLEAN else spoil(f, rng, 1.0) for f in clean])
        marks = np.array([nearness(a, b) for a, b in zip(clean, spoilt, strict=True)], np.float32)
        return (net(as_input(spoilt)) - torch.from_numpy(marks)).abs().mean()

    fit(net, loss, config, progress, "quality")
    pack(path, TestbedQuality.kind, net.state_dict(), {"width": WIDTH})


def nearness(clean: np.ndarray, spoilt: np.ndarray) -> float:
    """Mean of SSIM and PSNR (15 dB counts as 0, 40 dB as 1), 0..1.

    SSIM alone forgives shifts of whole blocks, PSNR alone forgives blur.
    """
    error = float(np.mean((clean.astype(np.float32) - spoilt) ** 2))
    decibels = 10 * np.log10(255**2 / max(error, 1e-6))
    return (ssim(clean, spoilt) + float(np.clip((decibels - 15) / 25, 0, 1))) / 2


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two RGB frames' luma (Wang et al. 2004, eq. 13), in 0..1.

    Means over 7 x 7 pixels, C1 = (0.01 * 255)^2, C2 = (0.03 * 255)^2; below 0 counts as 0.
    """
    x, y = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float32) for f in (a, b))
    mx, my = _mean(x), _mean(y)
    vx, vy, vxy = _mean(x * x) - mx * mx, _mean(y * y) - my * my, _mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(np.clip(index.mean(), 0, 1))


def _mean(image: np.ndarray) -> np.ndarray:
    return cv2.blur(image, (7, 7))
