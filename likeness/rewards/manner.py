"""Whose manner is it: how alike two clips move, whatever they say and whoever is seen.

The features are spectra and amounts of what moves, not its course: two takes of one person share
none of that. What the face is built like (where it stands, how large eyes and mouth are at rest) is
left out, so that person A's manner on person B is A's.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from likeness.rewards.movement import COEFFICIENTS, FLOOR, Movement, coefficients

BANDS = (0.0, 0.6, 1.2, 2.0, 3.2, 6.0)  # edges in Hz
SWAYING = ("head_x", "head_y", "roll", "turn_x", "turn_y")
BLINK = 0.75  # of the eyes' usual opening: under it they are shut
FEATURES = (
    *(f"amount of {name}" for name in COEFFICIENTS),
    *(
        f"{name} in {low:g}-{high:g} Hz"
        for name in SWAYING
        for low, high in itertools.pairwise(BANDS)
    ),
    "tilt",
    "blinks",
    "length of blinks",
    "mouth to loudness",
)


def manner(movement: Movement) -> np.ndarray:
    """Sum up how a clip moves: (36,) float64, NaN where it can't be told.

    Log deviation of each coefficient; of head and turn the log shares of five bands of frequency;
    mean roll; log blinks a second and log share of frames with the eyes shut; log slope of the
    mouth on loudness.
    """
    rows = coefficients(movement).astype(np.float64)
    named = dict(zip(COEFFICIENTS, rows.T, strict=True))
    usual = float(np.median(movement.eyes))
    shut = movement.eyes < BLINK * usual
    begun = int((shut[1:] & ~shut[:-1]).sum()) + int(shut[0])
    seconds = len(rows) / movement.fps
    parts = [
        np.log(rows.std(0) + FLOOR),
        *(_bands(named[name], movement.fps) for name in SWAYING),
        [named["roll"].mean()],
        [np.log((begun + 0.5) / seconds), np.log((shut.sum() + 1) / len(shut))],
        [_gain(movement.mouth, movement.loudness)],
    ]
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class MannerScale:
    """How each feature differs: within people, and between them.

    Attributes:
        within: RMS deviation of a person's clips from that person's mean, > 0.
        between: deviation of people's means, with what chance adds to it taken off, 0 or more.

    """

    within: tuple[float, ...]
    between: tuple[float, ...]

    @classmethod
    def fit(cls, manners: np.ndarray) -> "MannerScale":
        """Fit on (P, S, D) manners of P people in S takes each, 2 or more of both.

        Raises:
            ValueError: there are fewer.

        """
        people, takes = manners.shape[:2]
        if people < 2 or takes < 2:
            raise ValueError(f"a scale needs 2 people in 2 takes each, got {people} in {takes}")
        means = np.nanmean(manners, axis=1)
        inside = np.nanmean((manners - means[:, None]) ** 2, axis=(0, 1)) * takes / (takes - 1)
        outside = np.maximum(np.nanvar(means, axis=0, ddof=1) - inside / takes, 0)
        within = np.sqrt(inside) + FLOOR
        return cls(within=tuple(within.tolist()), between=tuple(np.sqrt(outside).tolist()))


def manner_distance(a: np.ndarray, b: np.ndarray, scale: MannerScale) -> float:
    """Distance of two manners (D,), 0 or more; NaN where nothing can be compared.

    Squared differences in units of what a person differs from himself, each weighted by how much of
    the feature's variance is between people: a feature that tells nobody apart counts nothing.
    """
    within, between = np.array(scale.within), np.array(scale.between)
    weights = between**2 / (between**2 + within**2)
    gaps = ((a - b) / within) ** 2
    known = np.isfinite(gaps)
    if not known.any() or weights[known].sum() == 0:
        return float("nan")
    return float(np.sqrt((gaps[known] * weights[known]).sum() / weights[known].sum()))


def rank_of_own(clips: np.ndarray, gallery: np.ndarray, scale: MannerScale) -> np.ndarray:
    """Rank of each clip's own person among a gallery: (N,) from 1, NaN where it can't be told.

    Args:
        clips: (N, D) manners, the i-th that of the i-th of the gallery.
        gallery: (N, D) manners of other clips of the same people.
        scale: fitted on others.

    """
    table = np.array([[manner_distance(a, b, scale) for b in gallery] for a in clips])
    own = np.diagonal(table)[:, None]
    ranks = 1.0 + (table < own).sum(1) + 0.5 * ((table == own).sum(1) - 1)
    return np.where(np.isfinite(own[:, 0]), ranks, np.nan)


def _bands(values: np.ndarray, fps: float) -> np.ndarray:
    swing = (values - values.mean()) * np.hanning(len(values))
    power = np.abs(np.fft.rfft(swing)) ** 2
    hertz = np.fft.rfftfreq(len(values), 1 / fps)
    each = [power[(hertz >= low) & (hertz < high)].sum() for low, high in itertools.pairwise(BANDS)]
    return np.log((np.array(each) + FLOOR) / (power.sum() + FLOOR))


def _gain(mouth: np.ndarray, loudness: np.ndarray) -> float:
    """Log slope of the mouth's opening on loudness; NaN without sound that varies."""
    if not np.isfinite(loudness).all() or loudness.std() < FLOOR:
        return float("nan")
    loud = loudness - loudness.mean()
    slope = float((mouth * loud).sum() / (loud * loud).sum())
    return float(np.log(max(slope, 0.0) + FLOOR))
