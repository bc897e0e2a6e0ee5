"""Films as browsers play them, made when first asked for.

A workspace keeps clips without loss, which browsers don't play. A view has a key frame every few
frames and no frames out of order, so that any frame is reached at once, and small pictures are
enlarged. Views lie in the workspace's cache, which `forget` removes.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import cv2
import numpy as np

from likeness.store.content import address
from likeness.store.film import Film
from likeness.store.forgetting import CACHE
from likeness.store.media import Reel, encode
from likeness.store.workspace import Workspace

WIDTH = 320  # pixels to which small pictures are enlarged
KEYS = 5  # frames between two that are reached at once
FOLDER = "views"

_making = tuple(Lock() for _ in range(16))  # one view is made once; few wait for another's


def view_of(workspace: Workspace, clip: str) -> Path:
    """Return the path of a clip's view, making it where it isn't there.

    Raises:
        WorkspaceError: there is no such clip, or its file is missing.
        MediaError: its file is damaged.
        DiskFullError: no room on the disk.

    """
    path = workspace.clip_path(clip)
    view = address(workspace.path / CACHE / FOLDER, clip, ".mp4")
    with _making[hash(clip) % len(_making)]:
        if not view.is_file():
            view.parent.mkdir(parents=True, exist_ok=True)
            film = Film.open(path, fps=None, need_audio=False)
            reel = Reel(
                blocks=_enlarged(film),
                fps=film.fps,
                audio=film.audio,
                sample_rate=film.sample_rate,
                origin=film.origin,
            )
            encode(reel, view, keys=KEYS)
    return view


def _enlarged(film: Film) -> Iterator[np.ndarray]:
    """Yield the frames, (n, H, W, 3) uint8, enlarged by a whole factor to about `WIDTH`."""
    factor = max(1, round(WIDTH / film.size[0]))
    if factor == 1:
        yield from film.pieces()
        return
    size = (film.size[0] * factor, film.size[1] * factor)
    for piece in film.pieces():
        yield np.stack([cv2.resize(f, size, interpolation=cv2.INTER_LANCZOS4) for f in piece])
