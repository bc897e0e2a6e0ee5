"""NIQE: distance of a picture's statistics from those of pristine photos.

Mittal, Soundararajan and Bovik 2013, as BasicSR computes it with its pristine parameters.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import correlate as correlate2d
from scipy.ndimage import correlate1d
from scipy.special import gamma

from likeness.store.errors import LikenessError
from likeness.store.weights import file_hash

BLOCK = 96
LEAST_BLOCKS = 4
_SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
_SHAPES = np.arange(0.2, 10.001, 0.001)
_RATIOS = gamma(2 / _SHAPES) ** 2 / (gamma(1 / _SHAPES) * gamma(3 / _SHAPES))


class NiqeError(LikenessError):
    """A picture too small for NIQE, or parameters that are not NIQE's."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pristine:
    """Statistics of pristine photos.

    Attributes:
        mean: (36,).
        covariance: (36, 36).
        window: (7, 7) Gaussian of the local mean and deviation.
        hash: SHA-256 of the file.

    """

    mean: np.ndarray
    covariance: np.ndarray
    window: np.ndarray
    hash: str

    @classmethod
    def load(cls, path: Path) -> "Pristine":
        """Read niqe_pris_params.npz."""
        with np.load(path, allow_pickle=False) as file:
            absent = {"mu_pris_param", "cov_pris_param", "gaussian_window"} - set(file)
            if absent:
                raise NiqeError(f"{path}: holds no {', '.join(sorted(absent))}; get the file again")
            return cls(
                mean=file["mu_pris_param"].ravel(),
                covariance=file["cov_pris_param"],
                window=file["gaussian_window"],
                hash=file_hash(path),
            )


def niqe(luma: np.ndarray, pristine: Pristine) -> float:
    """NIQE of a picture: about 2-4 for a good photo, higher is worse.

    Args:
        luma: (H, W) 16..235, at least four blocks of 96 x 96.
        pristine: what a good photo is like.

    Raises:
        NiqeError: the picture holds fewer than four blocks, or is flat.

    """
    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    if rows * columns < LEAST_BLOCKS:
        raise NiqeError(
            f"{luma.shape[1]} x {luma.shape[0]} pixels hold {rows * columns} blocks of {BLOCK}, "
            f"{LEAST_BLOCKS} needed"
        )
    image = luma[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    features = []
    for block in (BLOCK, BLOCK // 2):
        normal = _normalise(image, pristine.window)
        features.append(_block_features(normal, block))
        image = halve(image)
    table = np.concatenate(features, axis=1)  # (blocks, 36)
    sound = table[~np.isnan(table).any(axis=1)]
    if len(sound) < LEAST_BLOCKS:
        raise NiqeError(f"only {len(sound)} blocks have any texture, {LEAST_BLOCKS} needed")
    difference = pristine.mean - np.nanmean(table, axis=0)
    pooled = (pristine.covariance + np.cov(sound, rowvar=False)) / 2
    return float(np.sqrt(difference @ np.linalg.pinv(pooled) @ difference))


def to_luma(frame: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 as MATLAB has it, rounded: (H, W, 3) uint8 RGB to (H, W) 16..235."""
    weights = np.array([65.481, 128.553, 24.966]) / 255
    return np.round(frame.astype(np.float64) @ weights + 16)


def halve(image: np.ndarray) -> np.ndarray:
    """Shrink to half by MATLAB's imresize: bicubic with antialiasing, mirrored edges."""
    x = (np.arange(8) - 3.5) / 2
    taps = _cubic(np.abs(x))
    taps /= taps.sum()
    for axis in (0, 1):
        even = correlate1d(image, taps, axis=axis, mode="reflect", origin=-1)
        # origin -1 puts taps at offsets -3..4 around each pixel: their middle is 2 i + 0.5
        image = even[::2] if axis == 0 else even[:, ::2]
    return image


def _cubic(x: np.ndarray) -> np.ndarray:
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def _normalise(image: np.ndarray, window: np.ndarray) -> np.ndarray:
    mean = correlate2d(image, window, mode="nearest")
    deviation = np.sqrt(np.abs(correlate2d(image**2, window, mode="nearest") - mean**2))
    return (image - mean) / (deviation + 1)


def _block_features(normal: np.ndarray, block: int) -> np.ndarray:
    """Fit each block and its products with four neighbours: (blocks, 18)."""
    rows, columns = normal.shape[0] // block, normal.shape[1] // block
    # column by column, as the reference walks; the order changes nothing but floating point
    blocks = normal.reshape(rows, block, columns, block).transpose(2, 0, 1, 3)
    blocks = blocks.reshape(-1, block, block)
    shape, left, right = fit_aggd(blocks)
    features = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        shape, left, right = fit_aggd(blocks * np.roll(blocks, shift, axis=(1, 2)))
        mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def fit_aggd(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit asymmetric generalised Gaussians by moments: shape, left and right scale, each (n,)."""
    flat = blocks.reshape(len(blocks), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.sqrt(_mean_square(flat, flat < 0))
        right = np.sqrt(_mean_square(flat, flat > 0))
        ratio = left / right
        r = np.abs(flat).mean(axis=1) ** 2 / (flat**2).mean(axis=1)
        wanted = r * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    at = np.array([np.argmin((_RATIOS - value) ** 2) for value in wanted])
    shape = np.where(np.isnan(wanted), np.nan, _SHAPES[at])
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def _mean_square(flat: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where, flat**2, 0).sum(axis=1) / where.sum(axis=1)
