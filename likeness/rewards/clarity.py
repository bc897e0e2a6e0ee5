"""How clear a picture is, by measurement alone: no weights, no reference.

Three defects, each by a published measure, are weighed into 1..5: blur (Crété-Roffet et al. 2007,
"The blur effect"), noise (Immerkær 1996, "Fast noise variance estimation", of the calmer quarter of
the picture) and blockiness (steps on a grid of 8 pixels against those between, after Wang, Sheikh
and Bovik 2002). It falls with each of the three; it knows nothing of beauty, and a picture of fewer
pixels or of a flat scene is another picture to it: compare clips of one size and scene.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import sobel, uniform_filter1d

from likeness.rewards.looks import Looks, rate_looks, sampled
from likeness.rewards.vision.frames import frames_at
from likeness.store.clip import Footage

GRID = 8
LEAST_SIDE = 32
SHARP = 0.35
"""Blur of a sharp photo; less than that is no better."""
_LAPLACE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float64)
_SOBEL = np.sqrt(12)  # the mask's deviation for noise of deviation 1
_BLUR, _NOISE, _BLOCKS = 3.0, 0.3, 0.8


@dataclass(frozen=True, kw_only=True)
class Defects:
    """What is wrong with a picture.

    Attributes:
        blur: 0 (every edge steep) .. 1 (no more detail than after a blur over 11 pixels).
        noise: deviation in grey levels, 0 or more.
        blocks: how much larger steps on the grid are than those between, 0 or more.

    """

    blur: float
    noise: float
    blocks: float

    @property
    def rating(self) -> float:
        """1 (bad) .. 5: 1 + 4 exp(-3 max(blur - 0.35, 0) - 0.3 noise - 0.8 blocks)."""
        loss = _BLUR * max(self.blur - SHARP, 0) + _NOISE * self.noise + _BLOCKS * self.blocks
        return float(1 + 4 * np.exp(-loss))


def measure(frame: np.ndarray) -> Defects:
    """Measure a picture (H, W, 3) uint8 RGB of at least 32 x 32 pixels."""
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64)
    noise = noise_of(gray)
    return Defects(blur=blur_of(gray, noise), noise=noise, blocks=blocks_of(gray))


def blur_of(gray: np.ndarray, noise: float = 0) -> float:
    """Share of the edges' steepness that outlives a blur over 11 pixels, the worse of both axes.

    Args:
        gray: (H, W) 0..255.
        noise: its deviation in grey levels; what is less steep than three times noise alone is
            no edge, or noise would pass for sharpness.

    Returns:
        0..1; 1 for a picture without any edge.

    """
    inner = (slice(2, -1), slice(2, -1))
    shares = []
    for axis in (0, 1):
        steep = np.abs(sobel(gray, axis=axis))[inner]
        steep = np.where(steep > 3 * _SOBEL * noise, steep, 0)
        left = np.abs(sobel(uniform_filter1d(gray, 11, axis=axis), axis=axis))[inner]
        total = steep.sum()
        shares.append(1 - np.maximum(steep - left, 0).sum() / total if total > 0 else 1.0)
    return float(max(shares))


def noise_of(gray: np.ndarray) -> float:
    """Deviation of the noise in grey levels: of blocks of 16 x 16, the lower quartile.

    Each block's is sqrt(pi / 2) / 6 times the mean absolute answer to a mask blind to slopes.
    """
    answers = np.abs(cv2.filter2D(gray, -1, _LAPLACE))[1:-1, 1:-1] * np.sqrt(np.pi / 2) / 6
    rows, columns = answers.shape[0] // 16, answers.shape[1] // 16
    blocks = answers[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16)
    return float(np.quantile(blocks.mean(axis=(1, 3)), 0.25))


def blocks_of(gray: np.ndarray) -> float:
    """How much larger the steps of one grid of 8 pixels are than the median of the seven others.

    The grid may begin anywhere, so that a cut picture shows it too; half a grey level is added to
    both, so that a flat picture has none; the mean of both axes.
    """
    excesses = []
    for axis in (0, 1):
        steps = np.abs(np.diff(gray, axis=axis)).mean(axis=1 - axis)
        phases = steps[: len(steps) // GRID * GRID].reshape(-1, GRID).mean(axis=0)
        others = np.median(np.delete(phases, phases.argmax()))
        excesses.append((phases.max() + 0.5) / (others + 0.5) - 1)
    return float(np.mean(excesses))


class ClarityModel:
    """The mean clarity of one frame a second, at most 8."""

    version = "clarity-1"
    hash = ""

    def rate(self, clips: Sequence[Footage]) -> list[float | str]:
        """Average over at most 8 frames, a second or more apart."""
        return [rate_looks(self.look(clip)) for clip in clips]

    def look(self, clip: Footage) -> Looks | str:
        """Measure each of the frames."""
        width, height = clip.size
        if min(width, height) < LEAST_SIDE:
            return f"{width} x {height} pixels are too few: at least {LEAST_SIDE} a side needed"
        frames = sampled(clip)
        defects = [measure(frame) for frame in frames_at(clip, frames)]
        return Looks(
            frames=frames,
            ratings=[found.rating for found in defects],
            values={
                name: float(np.mean([getattr(found, name) for found in defects]))
                for name in ("blur", "noise", "blocks")
            },
        )
