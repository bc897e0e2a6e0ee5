import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from likeness.store.errors import LikenessError

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_PLACE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST})


class WriteError(LikenessError):
    """A file that can't be written where it was asked for."""


class DiskFullError(WriteError):
    """There was no room for a file; nothing of it is left behind."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file whole or not at all.

    Yields a temporary path in the folder of `path` (made where missing); when the block ends the
    file written there is flushed to disk and takes the place of `path`. When the block fails the
    temporary file is removed and whatever stood at `path` stays.

    Raises:
        DiskFullError: no room on the disk.
        WriteError: no leave to write there, or a folder is in the way.

    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        with _telling(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        if temporary.exists():
            temporary.unlink()


@contextmanager
def making_folder(path: Path) -> Iterator[Path]:
    """Make a folder whole or not at all.

    Yields an empty temporary folder beside `path`; when the block ends it takes the place of
    `path`. When the block fails it is removed with all that is in it.

    Raises:
        DiskFullError: no room on the disk.
        WriteError: something is at `path` already, or there is no leave to write there.

    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise WriteError(f"{path} is there already: choose another folder, or remove it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _telling(path):
            temporary.mkdir(parents=True)
            yield temporary
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Say of what the system refuses what it means for `path`."""
    try:
        yield
    except LikenessError:
        raise
    except Exception as error:
        number = _errno(error)
        if number in _NO_ROOM:
            raise DiskFullError(
                f"no room on the disk for {path} ({os.strerror(number)}): free some space and "
                "run the same command again"
            ) from error
        if isinstance(error, OSError) and error.errno in _NO_PLACE:
            raise WriteError(
                f"{path} can't be written ({os.strerror(error.errno)}): choose another place"
            ) from error
        raise


def _errno(error: BaseException | None) -> int:
    """Find the system's error behind an exception, or 0.

    torch raises one of its own while it handles that of the file; what is written in Rust, as
    safetensors, says the number in its message.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno:
            return error.errno
        if told := re.search(r"\(os error (\d+)\)", str(error)):
            return int(told[1])
        error = error.__cause__ or error.__context__
    return 0


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` whole or not at all.

    Raises:
        DiskFullError: no room on the disk.

    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)
