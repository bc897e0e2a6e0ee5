"""Defects of generated frames, as training data: what rewards must see through, or see."""

from collections.abc import Callable

import cv2
import numpy as np

Defect = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def noise(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Add grain of a deviation up to 30 grey levels, finer or coarser."""
    height, width, _ = frame.shape
    coarse = int(rng.integers(1, 3))
    grain = rng.standard_normal((-(-height // coarse), -(-width // coarse), 3), dtype=np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_NEAREST)
    return _to_bytes(frame + 30 * strength * grain)


def blur(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Smooth by a Gaussian of a deviation up to 2.5 pixels."""
    return cv2.GaussianBlur(frame, (0, 0), 0.2 + 2.3 * strength)


def compress(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Pass through JPEG of quality 80 down to 5."""
    quality = int(80 - 75 * strength)
    _, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


def blocks(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Shift the colour of each block of 8 pixels by up to 25 grey levels: seams."""
    height, width, _ = frame.shape
    shifts = rng.standard_normal((-(-height // 8), -(-width // 8), 3), dtype=np.float32)
    seams = np.kron(shifts, np.ones((8, 8, 1), dtype=np.float32))[:height, :width]
    return _to_bytes(frame + 25 * strength * seams)


def coarsen(frame: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Shrink up to 4 times and enlarge again."""
    height, width, _ = frame.shape
    factor = 1 + 3 * strength
    size = (max(2, round(width / factor)), max(2, round(height / factor)))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


DEFECTS: dict[str, Defect] = {
    "noise": noise,
    "blur": blur,
    "compress": compress,
    "blocks": blocks,
    "coarsen": coarsen,
}


def spoil(frame: np.ndarray, rng: np.random.Generator, strongest: float) -> np.ndarray:
    """Apply one or two random defects of random strength up to `strongest`."""
    for name in rng.choice(list(DEFECTS), size=rng.integers(1, 3), replace=False):
        frame = DEFECTS[str(name)](frame, float(rng.uniform(0, strongest)), rng)
    return frame


def spoil_some(
    frames: np.ndarray, rng: np.random.Generator, chance: float, strongest: float
) -> np.ndarray:
    """Spoil each of (N, H, W, 3) frames with a chance; returns a new array."""
    out = frames.copy()
    for i in np.flatnonzero(rng.random(len(frames)) < chance):
        out[i] = spoil(frames[i], rng, strongest)
    return out


def relight(frames: np.ndarray, rng: np.random.Generator, spread: float) -> np.ndarray:
    """Change gain by channel and brightness of each frame at random: light of another scene."""
    n = len(frames)
    gain = np.exp(rng.normal(0, spread, (n, 1, 1, 1)) + rng.normal(0, spread / 3, (n, 1, 1, 3)))
    lift = rng.normal(0, 40 * spread, (n, 1, 1, 1))
    return _to_bytes(frames * gain.astype(np.float32) + lift.astype(np.float32))


def _to_bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
