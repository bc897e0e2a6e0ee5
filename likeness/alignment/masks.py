"""Where in the picture a preference is about: pixel masks and their latent form."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from likeness.store.errors import LikenessError

SPACE = 8
TIME = 4


class MaskError(LikenessError):
    """A mask that does not fit its latents, or masks settings that can't be."""


@dataclass(frozen=True, kw_only=True)
class MaskConfig:
    """How a pixel mask becomes a latent mask.

    Attributes:
        padding: latent cells added around the mask, so that hair and chin are in; >= 0.
        minimum_area: the mask grows until it covers this share of the latent, 0..1: the mean
            over a handful of cells is too noisy to prefer by. An empty mask does not grow.

    """

    padding: int = 1
    minimum_area: float = 0.02

    def __post_init__(self) -> None:
        if self.padding < 0:
            raise MaskError(f"alignment.masks.padding must be 0 or more, got {self.padding}")
        if not 0 <= self.minimum_area <= 1:
            raise MaskError(
                f"alignment.masks.minimum_area must lie in 0..1, got {self.minimum_area}"
            )


def box_mask(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixels inside a box that moves.

    Args:
        boxes: (T, 4) x0 y0 x1 y1 in pixels; a row of NaN is a frame without the face.
        height: of the frames, in pixels.
        width: of the frames, in pixels.

    Returns:
        (T, height, width) bool; a pixel is inside if its centre is.

    """
    ys, xs = np.arange(height) + 0.5, np.arange(width) + 0.5
    x0, y0, x1, y1 = (boxes[:, i, None] for i in range(4))
    rows = (ys >= y0) & (ys < y1)
    columns = (xs >= x0) & (xs < x1)
    return rows[:, :, None] & columns[:, None, :]


def to_latent(pixels: np.ndarray) -> np.ndarray:
    """Bring a pixel mask to latent size: 8x in space, 4x in time with the first frame alone.

    A latent cell is inside if any of its pixels is.

    Args:
        pixels: (H, W) or (1 + 4n, H, W) bool; H and W multiples of 8.

    Returns:
        (1, H/8, W/8) or (1 + n, H/8, W/8) bool.

    Raises:
        MaskError: the size is not one that the codec makes.

    """
    frames = pixels[None] if pixels.ndim == 2 else pixels
    if frames.ndim != 3 or frames.dtype != np.bool_:
        raise MaskError(f"a pixel mask must be (T, H, W) bool, got {pixels.shape} {pixels.dtype}")
    count, height, width = frames.shape
    if height % SPACE or width % SPACE:
        raise MaskError(
            f"a pixel mask of {width}x{height} has no latent form; crop to multiples of {SPACE}"
        )
    if count % TIME != 1:
        raise MaskError(f"a pixel mask of {count} frames has no latent form; use 1 + {TIME}n")
    cells = frames.reshape(count, height // SPACE, SPACE, width // SPACE, SPACE).max(axis=(2, 4))
    later = cells[1:].reshape(-1, TIME, *cells.shape[1:]).max(axis=1)
    return np.concatenate([cells[:1], later])


def grow(mask: np.ndarray, config: MaskConfig) -> np.ndarray:
    """Pad a latent mask (T, h, w) in space, further until it has its minimum area."""
    if not mask.any():
        return mask
    square = np.ones((1, 3, 3), dtype=bool)
    for _ in range(config.padding):
        mask = ndimage.binary_dilation(mask, square)
    while mask.mean() < config.minimum_area:
        grown = ndimage.binary_dilation(mask, square)
        if (grown == mask).all():  # the other frames are empty and stay so
            break
        mask = grown
    return mask
