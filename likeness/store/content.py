"""Files that are called by the hash of their bytes."""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.weights import file_hash

_HIDDEN_GREY = 128


class ContentError(LikenessError):
    """Content of the wrong shape or type, or a file of it that was lost."""


def address(folder: Path, name: str, suffix: str) -> Path:
    """Return where the file of a hash lies: two levels keep folders small."""
    return folder / name[:2] / f"{name}{suffix}"


@contextmanager
def staging(folder: Path, suffix: str) -> Iterator[Path]:
    """Yield a path in `folder` to write to before the hash is known; nothing stays there."""
    path = folder / f".{uuid4().hex}{suffix}"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def adopt(staged: Path, folder: Path) -> str:
    """Move a staged file to the address of its hash, and return the hash."""
    name = file_hash(staged)
    place = address(folder, name, staged.suffix)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.replace(staged, place)
    return name


def keep(data: bytes, folder: Path, suffix: str) -> str:
    """Write bytes to the address of their hash, and return the hash.

    Raises:
        DiskFullError: no room on the disk.

    """
    with staging(folder, suffix) as staged:
        write_bytes(staged, data)
        return adopt(staged, folder)


def background_png(rgb: np.ndarray, hidden: np.ndarray) -> bytes:
    """Write a scene as an RGBA picture: alpha 0 and grey where `hidden`, so nobody shows.

    Args:
        rgb: (H, W, 3) uint8.
        hidden: (H, W) bool, True where the person goes.

    Raises:
        ContentError: other shapes or types.

    """
    import cv2

    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ContentError(f"a background must be (H, W, 3) uint8, got {rgb.shape} {rgb.dtype}")
    if hidden.dtype != np.bool_ or hidden.shape != rgb.shape[:2]:
        raise ContentError(
            f"a background's hidden part must be {rgb.shape[:2]} bool, "
            f"got {hidden.shape} {hidden.dtype}"
        )
    shown = np.where(hidden[..., None], np.uint8(_HIDDEN_GREY), rgb)
    alpha = np.where(hidden, np.uint8(0), np.uint8(255))
    return cv2.imencode(".png", np.dstack([shown[..., ::-1], alpha]))[1].tobytes()


def background_from_png(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Read what `background_png` wrote: ((H, W, 3) uint8, (H, W) bool).

    Raises:
        ContentError: the bytes are no RGBA picture.

    """
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        raise ContentError("a background must be an RGBA png; put it again")
    return np.ascontiguousarray(image[..., 2::-1]), image[..., 3] == 0


def arrays_npz(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Write named arrays as npz; the same arrays give the same bytes.

    Raises:
        ContentError: there is none, or one holds Python objects or NaN.

    """
    if not arrays:
        raise ContentError("no arrays to keep")
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ContentError(f"array {name!r} holds Python objects; give numbers")
        if np.issubdtype(array.dtype, np.inexact) and np.isnan(array).any():
            raise ContentError(
                f"array {name!r} holds NaN; the step that made it went wrong, nothing was kept"
            )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{name: arrays[name] for name in sorted(arrays)})
    return buffer.getvalue()


def arrays_from_npz(path: Path) -> dict[str, np.ndarray]:
    """Read what `arrays_npz` wrote."""
    with np.load(path, allow_pickle=False) as file:
        return dict(file)
