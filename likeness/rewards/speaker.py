"""Which of several people in a clip is heard: the one whose mouth moves when the sound changes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter1d

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.tracks import FaceTrack
from likeness.store.clip import Footage

SIDE = 48
ROWS, COLUMNS = slice(32, 48), slice(13, 35)
"""Mouth and chin of an aligned face of 48 pixels."""

SMOOTHING = 3
TURN = 50
LEAST = 20
CERTAIN = 1.645
CLOSEST = 0.9
"""Correlations beyond count as this: Fisher's z would tell 0.98 from 0.99, which means nothing."""


@dataclass(frozen=True, kw_only=True)
class Speaker:
    """Who is heard.

    Attributes:
        track: number of the face; None where it can't be told.
        reason: why it can't be told, or None.

    """

    track: int | None
    reason: str | None = None


def find_speaker(clip: Footage, tracks: Sequence[FaceTrack]) -> Speaker:
    """Say which face speaks, by its mouth alone; sound and picture have to be about in time.

    Movement of each mouth is correlated with the change of loudness, over the clip and over
    stretches of 2 s. One face has to be ahead of all others by 1.645 standard errors of Fisher's
    z, that is in 19 of 20 clips of chance; where stretches of that kind name different faces,
    people talk in turn.

    Args:
        clip: 25 frames a second or so, with sound.
        tracks: its faces.

    """
    sound = loudness_change(clip)
    mouths = [mouth[: len(sound)] for mouth in mouth_movement(clip, tracks)]
    turns = {
        start: speaking
        for start in range(0, max(1, len(sound) - LEAST), TURN)
        if (speaking := _ahead(mouths, sound, slice(start, start + TURN))) is not None
    }
    if len(set(turns.values())) > 1:
        said = [
            f"face {face + 1} from {start / clip.fps:.1f} s"
            for start, face in turns.items()
            if turns.get(start - TURN) != face
        ]
        reason = f"people talk in turn ({', '.join(said)}): cut to one speaker"
        return Speaker(track=None, reason=reason)
    best = _ahead(mouths, sound, slice(None))
    if best is None:
        return Speaker(track=None, reason="no mouth plainly follows the sound")
    return Speaker(track=best)


def loudness_change(clip: Footage) -> np.ndarray:
    """Change of the sound's RMS from frame to frame, smoothed over 3: (frames heard,)."""
    per = clip.sample_rate / clip.fps
    frames = min(len(clip), int(len(clip.audio) / per))
    edges = np.round(np.arange(frames + 1) * per).astype(int)
    power = np.concatenate([[0.0], np.cumsum(clip.audio.astype(np.float64) ** 2)])[edges]
    loudness = np.sqrt(np.maximum(np.diff(power), 0) / per)
    change = np.abs(np.diff(loudness, prepend=loudness[:1]))
    return uniform_filter1d(change, SMOOTHING, mode="nearest")


def mouth_movement(clip: Footage, tracks: Sequence[FaceTrack]) -> list[np.ndarray]:
    """Mean change of the mouth's grey values since the frame before, smoothed over 3.

    Faces are aligned first, so that a moving head alone changes little.

    Returns:
        (T,) for each track, NaN where the face is missing in this frame or the one before.

    """
    moved = [np.full(len(clip), np.nan) for _ in tracks]
    last: list[tuple[int, np.ndarray] | None] = [None] * len(tracks)
    start = 0
    for piece in clip.pieces():
        for k, track in enumerate(tracks):
            for t, mouth in _mouths(piece, track, start):
                before = last[k]
                if before is not None and before[0] == t - 1:
                    moved[k][t] = np.abs(mouth - before[1]).mean()
                last[k] = (t, mouth)
        start += len(piece)
    return [_smooth(values) for values in moved]


def _mouths(piece: np.ndarray, track: FaceTrack, start: int) -> list[tuple[int, np.ndarray]]:
    seen = np.flatnonzero(track.found[start : start + len(piece)])
    matrices = umeyama(track.five[start + seen], template(SIDE))
    grey = crop_faces(piece[seen], matrices, SIDE)[:, ROWS, COLUMNS].astype(np.float32).mean(-1)
    return list(zip((start + seen).tolist(), grey, strict=True))


def _smooth(values: np.ndarray) -> np.ndarray:
    """Average over 3 frames of those that are there."""
    known = np.isfinite(values)
    sums = uniform_filter1d(np.where(known, values, 0.0), SMOOTHING, mode="constant")
    counts = uniform_filter1d(known.astype(float), SMOOTHING, mode="constant")
    return np.where(known, sums / np.maximum(counts, 1e-12), np.nan)


def _ahead(mouths: Sequence[np.ndarray], sound: np.ndarray, stretch: slice) -> int | None:
    """Give the mouth that follows the sound plainly better than all others, or None."""
    fits = [_fisher(mouth[stretch], sound[stretch]) for mouth in mouths]
    order = sorted(range(len(fits)), key=lambda k: -fits[k][0])
    (best, error), others = fits[order[0]], [fits[k] for k in order[1:]]
    if not best > CERTAIN * error:
        return None
    for z, other_error in others:
        if best - z < CERTAIN * np.hypot(error, other_error):
            return None
    return order[0]


def _fisher(mouth: np.ndarray, sound: np.ndarray) -> tuple[float, float]:
    """Fisher's z of the correlation and its standard error; (-inf, 0) for a mouth not seen.

    Smoothing over 3 frames leaves about half of them independent.
    """
    known = np.isfinite(mouth)
    a, b = mouth[known], sound[known]
    if len(a) < LEAST:
        return -np.inf, 0.0
    if a.std() == 0 or b.std() == 0:
        return 0.0, 1 / np.sqrt(len(a) / 2 - 3)
    r = float(np.corrcoef(a, b)[0, 1])
    return float(np.arctanh(np.clip(r, -CLOSEST, CLOSEST))), 1 / np.sqrt(len(a) / 2 - 3)
