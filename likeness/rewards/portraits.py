"""Faces of clips as embeddings, read piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.recognisers import Recogniser
from likeness.rewards.tracks import FaceTrack
from likeness.rewards.turning import yaw
from likeness.store.clip import Footage

BATCH = 512


@dataclass(frozen=True, kw_only=True, eq=False)
class Portrait:
    """A clip's face embeddings.

    Attributes:
        embeddings: (n, D) float32 unit rows of the frames with a face; empty with a complaint.
        coverage: share of frames with a face.
        complaint: why the clip can't be compared, or None.
        crowded: whether the complaint is that two people are seen.
        frames: (n,) int, which frames the rows are of.
        yaw: (n,) degrees by which the head is turned in them.

    """

    embeddings: np.ndarray
    coverage: float
    complaint: str | None
    crowded: bool = False
    frames: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    yaw: np.ndarray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Sitting:
    """A clip and the faces in it that are to be embedded."""

    clip: Footage
    tracks: Sequence[FaceTrack]


def embed(sittings: Sequence[Sitting], recogniser: Recogniser) -> list[list[np.ndarray]]:
    """Embed every found face of each track: for each sitting and track (n, D) unit rows.

    Frames are read in pieces and crops embedded 512 at a time, so that memory does not grow with
    the clips' length.
    """
    target = template(recogniser.size, recogniser.zoom)
    rows: list[np.ndarray] = []
    owners: list[tuple[int, int]] = []
    waiting: list[np.ndarray] = [np.zeros((0, recogniser.size, recogniser.size, 3), dtype=np.uint8)]
    for s, sitting in enumerate(sittings):
        start = 0
        for piece in sitting.clip.pieces() if sitting.tracks else ():
            for k, track in enumerate(sitting.tracks):
                seen = np.flatnonzero(track.found[start : start + len(piece)])
                matrices = umeyama(track.five[start + seen], target)
                waiting.append(crop_faces(piece[seen], matrices, recogniser.size))
                owners += [(s, k)] * len(seen)
            start += len(piece)
            if sum(map(len, waiting)) >= BATCH:
                crops = np.concatenate(waiting)
                full = len(crops) // BATCH * BATCH
                rows.append(recogniser.embed(crops[:full]))
                waiting = [crops[full:].copy()]
    rows.append(recogniser.embed(np.concatenate(waiting)))
    return _by_owner(np.concatenate(rows), owners, [len(s.tracks) for s in sittings])


def portrait(track: FaceTrack, rows: np.ndarray) -> Portrait:
    """Put a track's embeddings together with where its head was turned."""
    frames = np.flatnonzero(track.found)
    return Portrait(
        embeddings=rows,
        coverage=track.coverage,
        complaint=None,
        frames=frames,
        yaw=yaw(track.five[frames]),
    )


def portrait_of(frames: np.ndarray, five: np.ndarray, recogniser: Recogniser) -> np.ndarray:
    """Sum a person's face up: the mean embedding, of length 1.

    Args:
        frames: (T, H, W, 3) uint8 of one person.
        five: (T, 5, 2) points of face alignment in pixels, NaN where there is no face.
        recogniser: embeds aligned faces.

    Returns:
        (D,) float32; NaN where no frame has a face.

    """
    seen = np.isfinite(five).all(axis=(1, 2))
    matrices = umeyama(five[seen], template(recogniser.size, recogniser.zoom))
    rows = recogniser.embed(crop_faces(frames[seen], matrices, recogniser.size))
    if not len(rows):
        return np.full(rows.shape[1], np.nan, np.float32)
    mean = rows.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _by_owner(
    rows: np.ndarray, owners: list[tuple[int, int]], tracks: list[int]
) -> list[list[np.ndarray]]:
    places: dict[tuple[int, int], list[int]] = {
        (s, k): [] for s, count in enumerate(tracks) for k in range(count)
    }
    for at, owner in enumerate(owners):
        places[owner].append(at)
    return [[rows[places[s, k]] for k in range(count)] for s, count in enumerate(tracks)]
