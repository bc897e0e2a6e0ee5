import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from likeness.store.errors import LikenessError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFullError(LikenessError):
    """There was no room for a file; nothing of it is left behind."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields a temporary path in the folder of `path` (made where missing); when the block ends the
    file written there is flushed to disk and takes the place of `path`. When the block fails the
    temporary file is removed and whatever stood at `path` stays.

    Raises:
        DiskFullError: no room on the disk.

    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                f"no room on the disk for {path} ({os.strerror(error.errno)}): free some space and "
                "run the same command again"
            ) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all.

    Raises:
        DiskFullError: no room on the disk.

    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)
