import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from likeness.rewards.scoring.job import Job, Outcome
from likeness.rewards.scoring.scorer import Scorer, stamp
from likeness.store.atomic import WriteError
from likeness.store.errors import LikenessError
from likeness.store.record import content_id
from likeness.store.weights import file_hash

SUFFIX = ".parts"


class PartsError(LikenessError):
    """Results that another process is writing."""


class Parts:
    """Results as they come: a line each, appended, so that a run that was stopped goes on.

    A line is JSON with the SHA-256 of its content before it. One that is damaged or was cut off is
    passed over, and its clip is scored again.

    Attributes:
        path: the file.
        damaged: lines that could not be read.

    """

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self.path = path
        self.damaged = 0
        self._file = file
        self._found: dict[str, Outcome] = {}
        file.seek(0)
        data = file.read()
        for line in data.splitlines():
            self._read(line)
        if data and not data.endswith(b"\n"):
            file.write(b"\n")

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> "Iterator[Parts]":
        """Go on with a file, or begin one.

        Raises:
            PartsError: another process is writing it.
            WriteError: it can't be written there.

        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a+b")
        except OSError as error:
            raise WriteError(
                f"{path} can't be written ({error.strerror}): choose another place"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise PartsError(
                    f"{path} is being written by another process; wait for it, or choose another "
                    "--out"
                ) from error
            yield cls(path, file)

    def find(self, key: str) -> Outcome | None:
        """Return what came of a job, unless it is to be tried again."""
        found = self._found.get(key)
        return None if found is None or found.again else found

    def add(self, key: str, outcome: Outcome) -> None:
        """Append what came of a job, and see it onto the disk.

        Raises:
            OSError: no room on the disk.

        """
        text = json.dumps({"key": key, **outcome.to_dict()}, ensure_ascii=False, allow_nan=False)
        body = text.encode()
        self._file.write(_digest(body) + b" " + body + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._found[key] = outcome

    def _read(self, line: bytes) -> None:
        digest, _, body = line.partition(b" ")
        if _digest(body) != digest:
            self.damaged += 1
            return
        data = json.loads(body)
        self._found[data.pop("key")] = Outcome.from_dict(data)


def key_of(job: Job, scorer: Scorer) -> str:
    """Return what a result is found by: the contents of the job's files and all that is asked."""
    files = [job.clip, job.reference, job.target]
    hashes = [None if path is None else _hash(*stamp(path)) for path in files]
    asked = [scorer.judges, scorer.detail, scorer.extra]
    return content_id([job.name, *hashes, job.prompt, job.condition, *asked])


@lru_cache(maxsize=4096)
def _hash(path: Path, size: int, changed: int) -> str:
    try:
        return "" if size < 0 else file_hash(path)
    except OSError:  # a folder, or no leave to read: the scorer will say so
        return ""


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
