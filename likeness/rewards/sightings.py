"""What a detector saw in a clip, kept on disk: the costliest part of scoring, done once."""

import zipfile
from pathlib import Path

import numpy as np

from likeness.rewards.tracks import Faces
from likeness.store.atomic import write_bytes
from likeness.store.content import address, arrays_from_npz, arrays_npz

FORM = 1  # changes when the same weights would see otherwise, or a file is laid out otherwise


class Sightings:
    """Detections in a folder, by the clip's hash and the detector's.

    An entry is written whole or not at all; one that is damaged counts as missing. A workspace
    keeps its entries under `cache/`, which `likeness forget` empties: an entry doesn't say whom
    it shows.

    Args:
        folder: where the entries are; made with the first.
        detector: hash of the detector's weights.

    """

    def __init__(self, folder: Path, detector: str) -> None:
        self.folder = folder
        self.detector = detector

    def get(self, clip: str, frames: int) -> list[Faces] | None:
        """Read what was seen in the clip of a hash, frame by frame; None where nothing is kept."""
        try:
            rows = arrays_from_npz(self._place(clip))
            counts, boxes, five = rows["counts"], rows["boxes"], rows["five"]
            confidence = rows["confidence"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        total = int(counts.sum())
        shapes = (counts.shape, boxes.shape, five.shape, confidence.shape)
        if shapes != ((frames,), (total, 4), (total, 5, 2), (total,)):
            return None
        cuts = np.cumsum(counts)[:-1]
        parts = zip(*(np.split(a, cuts) for a in (boxes, five, confidence)), strict=True)
        return [Faces(boxes=b, five=f, confidence=c) for b, f, c in parts]

    def put(self, clip: str, seen: list[Faces]) -> None:
        """Keep what was seen in the clip of a hash.

        Raises:
            DiskFullError: no room on the disk.

        """
        rows = {
            "counts": np.array([len(faces.boxes) for faces in seen]),
            "boxes": np.concatenate([faces.boxes for faces in seen]),
            "five": np.concatenate([faces.five for faces in seen]),
            "confidence": np.concatenate([faces.confidence for faces in seen]),
        }
        write_bytes(self._place(clip), arrays_npz(rows))

    def _place(self, clip: str) -> Path:
        return address(self.folder, clip, f".{self.detector[:16]}.{FORM}.npz")
