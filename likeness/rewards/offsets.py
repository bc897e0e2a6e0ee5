"""Reading Sync-C, Sync-D and the offset off distances of lips and sound."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import median_filter
from scipy.stats import norm

from likeness.rewards.syncnet import WINDOW

EPSILON = 1e-6
BLOCK = 128
SMOOTHING = 9
CHANCE = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class SyncResult:
    """What SyncNet says of a clip.

    Attributes:
        confidence: Sync-C, median of the mean distances less their least; higher is better.
        distance: Sync-D, the least mean distance; lower is better.
        offset: frames by which the sound comes before the lips at the best match, vshift less
            the column of the least distance.
        valid_confidence: Sync-C without the padding, which biases short clips.
        valid_distance: Sync-D without the padding.
        limit: confidence that chance alone stays below in 95 of 100 clips.
        curve: (windows,) confidence of each window at the clip's offset, as the reference
            implementation gives it: the median of the mean distances less the window's own,
            through a median filter of 9 with zeros beyond the ends.

    """

    confidence: float
    distance: float
    offset: int
    valid_confidence: float
    valid_distance: float
    limit: float
    curve: np.ndarray

    def complaint(self, vshift: int) -> str | None:
        """Say why the offset means nothing, or None.

        The least of distances that tell nothing lies anywhere, and the padding draws it to the
        ends. So an offset at an end, where the distances' rise to one of its sides is not seen,
        counts only with a confidence that chance rarely reaches.
        """
        if abs(self.offset) < vshift or self.confidence > self.limit:
            return None
        return (
            f"no peak: the least distance is at the last offset tried ({self.offset:+d}), with a "
            f"confidence of {self.confidence:.3f} where chance reaches {self.limit:.3f}"
        )


def sync_distances(lips: np.ndarray, sound: np.ndarray, vshift: int) -> np.ndarray:
    """Distances of each window of lips to the sounds around it.

    Args:
        lips: (N, D).
        sound: (N, D), padded by vshift zero vectors on both sides.
        vshift: offsets to both sides.

    Returns:
        (N, 2 vshift + 1) float64 L2 norms of the difference + 1e-6; column vshift is no offset.

    """
    padded = np.pad(sound, ((vshift, vshift), (0, 0)))
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * vshift + 1, axis=0)
    rows = [np.zeros((0, 2 * vshift + 1))]
    for start in range(0, len(lips), BLOCK):
        mine = lips[start : start + BLOCK, :, None].astype(np.float64)
        difference = mine - around[start : start + BLOCK] + EPSILON  # (n, D, 2 vshift + 1)
        rows.append(np.sqrt((difference**2).sum(axis=1)))
    return np.concatenate(rows)


def sync_result(distances: np.ndarray) -> SyncResult:
    """Read Sync-C, Sync-D and the offset off (N, 2 vshift + 1) distances, N >= 1."""
    windows, columns = distances.shape
    vshift = columns // 2
    mean = distances.mean(axis=0)
    at = np.arange(windows)[:, None] + np.arange(columns)[None] - vshift
    valid = (at >= 0) & (at < windows)
    valid_mean = np.where(valid, distances, 0).sum(axis=0) / valid.sum(axis=0)
    return SyncResult(
        confidence=float(np.median(mean) - mean.min()),
        distance=float(mean.min()),
        offset=vshift - int(mean.argmin()),
        valid_confidence=float(np.median(valid_mean) - valid_mean.min()),
        valid_distance=float(valid_mean.min()),
        limit=_limit(distances),
        curve=median_filter(
            np.median(mean) - distances[:, mean.argmin()], SMOOTHING, mode="constant"
        ),
    )


def _limit(distances: np.ndarray) -> float:
    """Confidence that chance alone stays below in 95 of 100 clips.

    The confidence is the mean over windows of d, the distance at the median column less the
    distance at the least one. Its standard error is that of d, windows 5 frames apart counting as
    independent; the least of all columns is as many tries (Bonferroni).
    """
    windows, columns = distances.shape
    mean = distances.mean(axis=0)
    middle = np.argsort(mean, kind="stable")[columns // 2]
    d = distances[:, middle] - distances[:, mean.argmin()]
    error = d.std() / np.sqrt(max(1.0, windows / WINDOW))
    return float(norm.ppf(1 - CHANCE / columns) * error)
