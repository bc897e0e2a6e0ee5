"""The face pass: what looks at every frame of a clip once, for all rewards."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from likeness.rewards.cache import ClipCache
from likeness.rewards.sightings import Sightings
from likeness.rewards.tracks import (
    Faces,
    FaceTrack,
    fill_boxes,
    follow,
    interpolate,
    iou,
    nobody,
    track,
)
from likeness.store.clip import Footage

__all__ = [
    "FaceDetector",
    "FaceFinder",
    "FaceTrack",
    "Faces",
    "fill_boxes",
    "interpolate",
    "iou",
    "piece_of",
    "track",
]

BATCH = 512
PIECE_BYTES = 64 * 2**20


class FaceDetector(Protocol):
    """Finds faces and their five points."""

    @property
    def hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    def detect(self, frames: np.ndarray) -> list[Faces]:
        """Look at (T, H, W, 3) uint8 RGB frames, one after the other."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    tracks: list[FaceTrack]
    main: FaceTrack


class FaceFinder:
    """Detects and tracks, once a clip.

    Args:
        detector: what looks at frames.
        folder: where what it saw is kept for the next process, as a workspace's `cache/faces`;
            None keeps it in memory only.

    """

    def __init__(self, detector: FaceDetector, folder: Path | None = None) -> None:
        self.detector = detector
        self._kept = None if folder is None else Sightings(folder, detector.hash)
        self._found: ClipCache[Footage, _Found] = ClipCache(self._find)

    def tracks(self, clips: Sequence[Footage]) -> list[FaceTrack]:
        """Follow the main face of each clip: the one with the greatest area over time."""
        return [found.main for found in self._found(clips)]

    def all_tracks(self, clips: Sequence[Footage]) -> list[list[FaceTrack]]:
        """Follow every face of each clip, the main one first; an empty list where there is none.

        The first is the very track that :meth:`tracks` gives.
        """
        return [list(found.tracks) for found in self._found(clips)]

    def forget(self) -> None:
        """Drop what was found, as when a person withdraws consent."""
        self._found.forget()

    def _find(self, clips: list[Footage]) -> list[_Found]:
        seen = [self._kept and self._kept.get(clip.hash, len(clip)) for clip in clips]
        fresh = [clip for clip, known in zip(clips, seen, strict=True) if known is None]
        new = dict(zip((clip.hash for clip in fresh), self._detect_all(fresh), strict=True))
        if self._kept:
            for name, faces in new.items():
                self._kept.put(name, faces)
        return [
            _found(new[clip.hash] if known is None else known)
            for clip, known in zip(clips, seen, strict=True)
        ]

    def _detect_all(self, clips: list[Footage]) -> list[list[Faces]]:
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            alike[clip.size].append(index)
        seen: dict[int, list[Faces]] = {}
        for indices in alike.values():
            for group in _batches(indices, clips):
                seen |= zip(group, self._detect([clips[i] for i in group]), strict=True)
        return [seen[i] for i in range(len(clips))]

    def _detect(self, clips: list[Footage]) -> list[list[Faces]]:
        """Look at clips of one size: at a long one piece by piece, at short ones together."""
        if len(clips) == 1:
            pieces = clips[0].pieces(piece_of(clips[0]))
            return [[faces for piece in pieces for faces in self.detector.detect(piece)]]
        frames = np.concatenate([piece for clip in clips for piece in clip.pieces()])
        faces = iter(self.detector.detect(frames))
        return [[next(faces) for _ in range(len(clip))] for clip in clips]


def piece_of(clip: Footage) -> int:
    """Frames of a piece of 64 MiB, at most 512."""
    width, height = clip.size
    return max(1, min(BATCH, PIECE_BYTES // (3 * width * height)))


def _found(faces: list[Faces]) -> _Found:
    tracks = follow(faces)
    return _Found(tracks=tracks, main=tracks[0] if tracks else nobody(len(faces)))


def _batches(indices: list[int], clips: Sequence[Footage]) -> list[list[int]]:
    """Group clips of one size up to a piece's frames; a longer one stands alone."""
    batches: list[list[int]] = [[]]
    held = 0
    for i in indices:
        if held and held + len(clips[i]) > piece_of(clips[i]):
            batches.append([])
            held = 0
        batches[-1].append(i)
        held += len(clips[i])
    return batches
