"""One process at a time changes a corpus."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from likeness.training.corpus.settings import CorpusError


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a corpus against other changes, and remove what a killed one left half-written.

    Raises:
        CorpusError: another process holds it.

    """
    out.mkdir(parents=True, exist_ok=True)
    with open(out / "lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CorpusError(
                f"{out} is being made by another process: wait for it, or take another --out"
            ) from error
        for leftover in out.rglob(".*.part*"):
            leftover.unlink(missing_ok=True)
        yield
