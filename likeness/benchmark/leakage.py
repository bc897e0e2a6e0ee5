"""What leaks: the reference's scene into a generated clip, or a target into its reference."""

import math

import numpy as np

from likeness.store.records import Score

SAME_SPEECH = 0.98
"""Correlation of two clips' loudness over time from which they are one recording."""

LEAST_PIXELS = 16
LEAST_CONTRAST = 4.0  # root mean square, of 255


def scene_share(frames: np.ndarray, own: np.ndarray, other: np.ndarray, where: np.ndarray) -> float:
    """Share of the other scene in a clip's background, by least squares.

    With c = a * other + (1 - a) * own this is a: 0 where the clip shows the scene it should, 1
    where it is a copy of the other one. Anything that is neither counts by its projection, so that
    noise gives about 0.

    Args:
        frames: (T, H, W, 3) uint8 of the clip.
        own: (H, W, 3) uint8, the scene that was asked for.
        other: (H, W, 3) uint8, the reference's.
        where: (H, W) bool, pixels that should show the scene and not the person.

    Returns:
        NaN where there are too few pixels, or the two scenes look alike in them.

    """
    if where.sum() < LEAST_PIXELS:
        return math.nan
    ground = own[where].astype(float)
    apart = other[where] - ground
    if math.sqrt((apart**2).mean()) < LEAST_CONTRAST:
        return math.nan
    changed = frames[:, where].astype(float).mean(0) - ground
    return float((changed * apart).sum() / (apart**2).sum())


def leak_score(share: float, clip: str) -> Score:
    """Make the score of a share that `scene_share` gave, missing with its reason where NaN."""
    if math.isnan(share):
        reason = "the two scenes can't be told apart behind the person"
        return Score.missing(clip=clip, reward="leak", reason=reason, version="leak-1")
    return Score(clip=clip, reward="leak", value=share, version="leak-1")


def loudness(audio: np.ndarray, rate: int) -> np.ndarray:
    """Measure loudness a hundredth of a second, in dB above -80: (f,) float32.

    Args:
        audio: (samples,) in -1..1.
        rate: samples a second.

    """
    hop = rate // 100
    parts = audio[: len(audio) // hop * hop].reshape(-1, hop).astype(np.float64)
    power = (parts**2).mean(1)
    return (80 + 10 * np.log10(np.maximum(power, 1e-8))).astype(np.float32)


def same_speech(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two clips are one recording: encoded again, dubbed, or cut a little otherwise.

    Args:
        one: (f,) loudness over time, in equal steps.
        other: (g,) likewise.

    """
    return correlation(one, other) >= SAME_SPEECH


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Give the greatest correlation of two curves over shifts by a quarter of the shorter at most.

    Returns:
        -1..1; -1 where nothing can be compared, as in silence.

    """
    length = min(len(one), len(other))
    best = -1.0
    for step in range(-(length // 4), length // 4 + 1):
        a = one[max(0, step) : length + min(0, step)].astype(float)
        b = other[max(0, -step) : length + min(0, -step)].astype(float)
        a, b = a - a.mean(), b - b.mean()
        scale = math.sqrt(float((a**2).sum() * (b**2).sum()))
        if scale > 0:
            best = max(best, float((a * b).sum()) / scale)
    return best
