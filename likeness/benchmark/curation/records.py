"""What became of a clip, kept so that it is done once."""

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from likeness.benchmark.curation.candidates import Candidate
from likeness.benchmark.curation.settings import FOLDER
from likeness.store.atomic import write_bytes
from likeness.store.content import address, arrays_from_npz, arrays_npz

CLIPS = "clips"


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """A clip that is done.

    Attributes:
        name: as listed.
        size, modified: of the file when it was looked at: bytes, and nanoseconds since 1970; -1
            where it was not there.
        hash: SHA-256 of the file; empty where it was not there.
        kind: of the reason why it was refused; empty where it is fit.
        reason: the same in words.
        start: seconds into the film, of the stretch that is fit.
        quality: 1..5; None where it was not looked at.
        mask: how the person was masked.

    """

    name: str
    size: int
    modified: int
    hash: str
    kind: str = ""
    reason: str = ""
    start: float = 0.0
    quality: float | None = None
    mask: str = ""

    @property
    def fit(self) -> bool:
        """Whether it may be in a suite."""
        return not self.kind


@dataclass(frozen=True, kw_only=True, eq=False)
class Traits:
    """What a fit clip is compared by.

    Attributes:
        faces: (n, D) float32 unit rows.
        scene: (h, w, 3) uint8, the scene.
        shown: (h, w) bool, where it shows and not the person.
        voice: (f,) float32, loudness a hundredth of a second.
        strip: (4, h, w, 3) uint8, frames for people to look at.

    """

    faces: np.ndarray
    scene: np.ndarray
    shown: np.ndarray
    voice: np.ndarray
    strip: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The face in one unit row, (D,)."""
        mean = self.faces.mean(0)
        return mean / np.linalg.norm(mean)


def stamp(path: Path) -> tuple[int, int]:
    """Tell a file's bytes and when it was changed, by which a changed one is known."""
    stat = path.stat() if path.is_file() else None
    return (-1, -1) if stat is None else (stat.st_size, stat.st_mtime_ns)


def save(clip: Candidate, record: ClipRecord, traits: Traits | None, out: Path) -> None:
    """Write what became of a clip; its record comes last, so that it stands for all.

    Raises:
        DiskFullError: no room on the disk.

    """
    folder = out / FOLDER / CLIPS
    if traits is not None:
        arrays = {name: getattr(traits, name) for name in traits.__dataclass_fields__}
        write_bytes(address(folder, clip.key, ".npz"), arrays_npz(arrays))
    text = json.dumps(asdict(record), indent=1) + "\n"
    write_bytes(address(folder, clip.key, ".json"), text.encode())


def record_of(clip: Candidate, out: Path) -> ClipRecord | None:
    """Return a clip's record, or None where it isn't done: new, changed, or damaged."""
    path = address(out / FOLDER / CLIPS, clip.key, ".json")
    try:
        record = ClipRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if stamp(clip.path) != (record.size, record.modified):
        return None
    return record if not record.fit or traits_of(clip, out) is not None else None


def traits_of(clip: Candidate, out: Path) -> Traits | None:
    """Read what a fit clip is compared by; None where it is missing or damaged."""
    path = address(out / FOLDER / CLIPS, clip.key, ".npz")
    try:
        return Traits(**arrays_from_npz(path))
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
        return None
