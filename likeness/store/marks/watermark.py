"""An invisible mark in the picture, and how surely it is there.

A keyed pattern of signs is added to the luminance, the same in every frame, in the middle
frequencies of the picture brought to a square grid: H.264 and changes of size leave those alone.
The detector looks at the clip's mean picture, in which what moves and what a codec adds fades, and
correlates (spread spectrum: Cox et al. 1997; the strength is chosen for the picture that is to
carry it, as by Malvar and Florencio 2003). Cropping, turning, and whoever knows this file can
remove it: it tells honest users, as the manifest does; it does not stop anybody.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from likeness.store.errors import LikenessError

GRIDS = (64, 256)  # sides in cells: of small pictures, and of those of 256 lines or more
BAND = (0.14, 0.69)  # of the grid's side: lengths of the cosine transform's indices that carry it
KEY = 20_201_119  # public: anybody may look for the mark
FOUND = 5.5  # deviations above chance; by chance one clip in fifty million, for each grid
AIM = 12.0  # deviations that a clip is marked with, so that codecs leave enough
FAINTEST, STRONGEST = 1.0, 4.0  # root mean square of what is added, levels of 255
_FINER = 1.1  # from one strength to the next that is tried
_OUTLIER = 3.0  # typical magnitudes beyond which a coefficient counts no more
_RINGS = 12  # of like frequencies


class MarkError(LikenessError):
    """A picture that can't carry a mark."""


def embed(frames: np.ndarray) -> np.ndarray:
    """Mark a clip as strongly as its picture needs, within FAINTEST and STRONGEST.

    Args:
        frames: (T, H, W, 3) uint8.

    Returns:
        New frames of the same shape.

    """
    return add(frames, strength_for(frames))


def strength_for(frames: np.ndarray) -> float:
    """Choose how strongly (T, H, W, 3) uint8 frames must be marked to be told."""
    height, width = frames.shape[1:3]
    grid = _grid(height, width)
    bare = on_grid(mean_picture(frames), grid)
    change = on_grid(_pattern_picture(height, width, grid), grid)
    strength = FAINTEST
    while strength < STRONGEST and not agreement(bare + strength * change) >= AIM:
        strength = min(strength * _FINER, STRONGEST)
    return strength


def add(frames: np.ndarray, strength: float) -> np.ndarray:
    """Mark (T, H, W, 3) uint8 frames, such as one block of a long film: new frames."""
    height, width = frames.shape[1:3]
    pattern = _pattern_picture(height, width, _grid(height, width))
    marked = np.empty_like(frames)
    added = (pattern * strength).astype(np.float32)[..., None]
    for frame, out in zip(frames, marked, strict=True):
        np.clip(np.rint(frame + added), 0, 255, out=out, casting="unsafe")
    return marked


def _grid(height: int, width: int) -> int:
    return GRIDS[-1] if min(height, width) >= GRIDS[-1] else GRIDS[0]


def certainty(frames: np.ndarray | Iterable[np.ndarray]) -> float:
    """Say by how many deviations a clip agrees with the mark more than by chance.

    Args:
        frames: (T, H, W, 3) uint8, or its frames one after the other, all of one size.

    Returns:
        The greater one of the grids'; each is about standard normal for an unmarked clip. At least
        FOUND means marked. NaN for a picture without any structure, such as a black one.

    """
    picture = mean_picture(frames)
    found = [agreement(on_grid(picture, grid)) for grid in GRIDS]
    return max((z for z in found if not math.isnan(z)), default=math.nan)


def agreement(cells: np.ndarray, key: int = KEY) -> float:
    """Correlate a picture on a grid (side, side) with the pattern of a key; see `certainty`."""
    from scipy.fft import dctn

    where, signs = _pattern(key, len(cells))
    found = np.asarray(dctn(cells, norm="ortho"))[where]
    typical = _typical(found, where, len(cells))
    if typical is None:
        return math.nan
    evidence = np.clip(found / typical, -_OUTLIER, _OUTLIER)
    return float((signs * evidence).sum() / np.sqrt((evidence**2).sum()))


def mean_picture(frames: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
    """Average the luminance of frames (H, W, 3) uint8 over time: (H, W) float64, 0..255."""
    import cv2

    total, count = None, 0
    for frame in frames:
        grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        if total is None:
            total = np.zeros(grey.shape)
        cv2.accumulate(grey, total)
        count += 1
    if total is None:
        raise MarkError("no frames to look for a mark in")
    return total / count


def on_grid(picture: np.ndarray, grid: int) -> np.ndarray:
    """Bring a picture (H, W) to (grid, grid)."""
    import cv2

    smaller = min(picture.shape) >= grid
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, (grid, grid), interpolation=method)


def _typical(
    found: np.ndarray, where: tuple[np.ndarray, np.ndarray], grid: int
) -> np.ndarray | None:
    """Magnitudes that coefficients of a like frequency have: pictures fade towards fine detail."""
    edges = np.linspace(BAND[0] * grid, BAND[1] * grid, _RINGS + 1)[1:-1]
    rings = np.digitize(np.hypot(*where), edges)
    sums = np.bincount(rings, np.abs(found), _RINGS)
    means = sums / np.bincount(rings, minlength=_RINGS)
    return None if means.max() < 1e-6 else np.maximum(means, 1e-3 * means.max())[rings]


@lru_cache(maxsize=4)
def _pattern(key: int, grid: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Draw the coefficients that carry the mark: their indices and signs (-1 or 1)."""
    radius = np.hypot(*np.indices((grid, grid)))
    rows, columns = np.nonzero((radius >= BAND[0] * grid) & (radius < BAND[1] * grid))
    signs = np.random.default_rng([key, grid]).choice((-1.0, 1.0), len(rows))
    return (rows, columns), signs


@lru_cache(maxsize=2)
def _pattern_picture(height: int, width: int, grid: int) -> np.ndarray:
    """Draw the pattern (H, W) float64 with a root mean square of 1."""
    import cv2
    from scipy.fft import idctn

    where, signs = _pattern(KEY, grid)
    spectrum = np.zeros((grid, grid))
    spectrum[where] = signs
    cells = np.asarray(idctn(spectrum, norm="ortho"))
    picture = cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC)
    return picture / np.sqrt((picture**2).mean())
