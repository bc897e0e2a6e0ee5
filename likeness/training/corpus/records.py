"""What became of each clip, in a file of its own beside the shards."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from likeness.store.atomic import write_bytes
from likeness.store.content import address
from likeness.training.corpus.listing import Listed

SHARDS, CLIPS = "shards", "clips"
SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A clip, or a window of it, that was left out.

    Attributes:
        kind: of the reason, which refusals are counted by.
        reason: in words.
        start: of the window, in seconds; None for a whole clip or take.

    """

    kind: str
    reason: str
    start: float | None = None


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file of windows.

    Attributes:
        hash: SHA-256 of its bytes, which it is called by.
        take: number of the take that its windows are of; those of one take are framed alike.
        starts: first frame of each window, in the clip.

    """

    hash: str
    take: int
    starts: tuple[int, ...]

    def path(self, folder: Path) -> Path:
        """Say where it lies in a corpus."""
        return address(folder / SHARDS, self.hash, SUFFIX)


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """A clip that is done.

    Attributes:
        name: as listed.
        size, modified: of the file when it was read: bytes, and nanoseconds since 1970;
            -1 where it was not there.
        hash: SHA-256 of the file.
        frames: that were read.
        shards: of its windows.
        refused: why it, or windows of it, were left out.

    """

    name: str
    size: int
    modified: int
    hash: str
    frames: int
    shards: tuple[Shard, ...]
    refused: tuple[Refusal, ...]

    @property
    def windows(self) -> int:
        """How many there are."""
        return sum(len(shard.starts) for shard in self.shards)

    def save(self, clip: Listed, folder: Path) -> None:
        """Write it to its place.

        Raises:
            DiskFullError: no room on the disk.

        """
        text = json.dumps(asdict(self), indent=1) + "\n"
        write_bytes(address(folder / CLIPS, clip.key, ".json"), text.encode())


def stamp(path: Path) -> tuple[int, int]:
    """Tell a file's bytes and when it was changed, by which a changed one is known."""
    stat = path.stat() if path.is_file() else None
    return (-1, -1) if stat is None else (stat.st_size, stat.st_mtime_ns)


def read_record(path: Path) -> ClipRecord | None:
    """Read a record; None where it isn't there or is damaged."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        shards = [Shard(**{**s, "starts": tuple(s["starts"])}) for s in values["shards"]]
        refused = [Refusal(**refusal) for refusal in values["refused"]]
        return ClipRecord(**{**values, "shards": tuple(shards), "refused": tuple(refused)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def all_records(folder: Path) -> list[tuple[Path, ClipRecord]]:
    """List the records of a corpus that can be read, each with its file."""
    found = [(path, read_record(path)) for path in sorted((folder / CLIPS).glob("*/*.json"))]
    return [(path, record) for path, record in found if record is not None]


def record_of(clip: Listed, folder: Path) -> ClipRecord | None:
    """Return a clip's record, or None where it isn't done: new, changed, or a shard is gone."""
    record = read_record(address(folder / CLIPS, clip.key, ".json"))
    if record is None or stamp(clip.path) != (record.size, record.modified):
        return None
    return record if all(shard.path(folder).is_file() for shard in record.shards) else None
