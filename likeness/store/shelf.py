import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from likeness.store import forgetting, rows, tables
from likeness.store.atomic import replacing
from likeness.store.clip import Clip
from likeness.store.content import (
    address,
    adopt,
    arrays_from_npz,
    arrays_npz,
    background_from_png,
    background_png,
    keep,
    staging,
)
from likeness.store.database import WorkspaceError, insert_new
from likeness.store.ledger import Ledger
from likeness.store.media import decode, encode, probe
from likeness.store.record import now
from likeness.store.records import ClipEntry
from likeness.store.weights import file_hash


class Shelf(Ledger):
    """The files of a workspace, each called by the hash of its bytes and written whole."""

    def put_clip(self, clip: Clip) -> str:
        """Keep a clip without loss, and return its id.

        Raises:
            WorkspaceError: the clip is there under another identity, or its person was forgotten.
            DiskFullError: no room on the disk.

        """
        with staging(self.path / "clips", ".mp4") as staged:
            encode(clip, staged, lossless=True)
            return self._put_media(staged, clip.identity, clip.scene)

    def put_file(
        self, path: str | Path, *, identity: str | None = None, scene: str | None = None
    ) -> str:
        """Keep a copy of a media file as it is, and return its id.

        Raises:
            MediaError: the file is missing or no media file.
            WorkspaceError: it is there under another identity, or its person was forgotten.
            DiskFullError: no room on the disk.

        """
        path = Path(path)
        probe(path)
        with staging(self.path / "clips", path.suffix.lower()) as staged:
            with replacing(staged) as temporary:
                shutil.copyfile(path, temporary)
            return self._put_media(staged, identity, scene)

    def get_clip(self, name: str, *, fps: float | None = None, sample_rate: int = 16000) -> Clip:
        """Read a clip with its identity, scene and origin; without `fps` at its own rate.

        Raises:
            WorkspaceError: there is no such clip.
            MediaError: its file can't be read.

        """
        entry = self.get(ClipEntry, name)
        clip = decode(self._place(entry), fps=fps, sample_rate=sample_rate, need_audio=False)
        return replace(clip, identity=entry.identity, scene=entry.scene, origin=entry.origin)

    def clip_path(self, name: str) -> Path:
        """Return the path of a clip's file.

        Raises:
            WorkspaceError: there is no such clip.

        """
        return self._place(self.get(ClipEntry, name))

    def put_background(self, rgb: np.ndarray, hidden: np.ndarray) -> str:
        """Keep a scene, grey where the person goes, and return its id.

        Args:
            rgb: (H, W, 3) uint8.
            hidden: (H, W) bool, True where the person goes; its pixels are not kept.

        Raises:
            ContentError: other shapes or types.
            DiskFullError: no room on the disk.

        """
        name = keep(background_png(rgb, hidden), self.path / "clips", ".png")
        height, width = hidden.shape
        row = {"id": name, "width": width, "height": height, "created": now()}
        with self._writer.begin() as connection:
            insert_new(connection, tables.backgrounds, row)
        return name

    def get_background(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Read a scene: (H, W, 3) uint8, grey where hidden, and hidden (H, W) bool.

        Raises:
            WorkspaceError: there is no such background.

        """
        path = address(self.path / "clips", name, ".png")
        return background_from_png(_present(path, f"background {name}").read_bytes())

    def put_array(
        self,
        arrays: np.ndarray | Mapping[str, np.ndarray],
        *,
        clip: str | None = None,
        identity: str | None = None,
    ) -> str:
        """Keep an array, or some by name, and return the id.

        `clip` or `identity` say whose they are, so that `forget` removes them too.

        Raises:
            ContentError: NaN or Python objects in an array.
            WorkspaceError: the clip isn't in the workspace, or the person was forgotten.
            DiskFullError: no room on the disk.

        """
        named = {"array": arrays} if isinstance(arrays, np.ndarray) else arrays
        name = keep(arrays_npz(named), self.path / "arrays", ".npz")
        row = {"id": name, "clip": clip, "identity": identity, "created": now()}
        if clip is not None:
            self.get(ClipEntry, clip)
        with self._writer.begin() as connection:
            forgetting.refuse_forgotten(connection, identity)
            insert_new(connection, tables.arrays, row)
        return name

    def get_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Read arrays by name.

        Raises:
            WorkspaceError: there are none of that id.

        """
        path = address(self.path / "arrays", name, ".npz")
        return arrays_from_npz(_present(path, f"array {name}"))

    def get_array(self, name: str) -> np.ndarray:
        """Read an array that was put alone.

        Raises:
            WorkspaceError: there is none of that id.

        """
        return self.get_arrays(name)["array"]

    def _put_media(self, staged: Path, identity: str | None, scene: str | None) -> str:
        info = probe(staged)
        entry = ClipEntry(
            id=file_hash(staged),
            identity=identity,
            scene=scene,
            origin=info.origin,
            suffix=staged.suffix,
            duration=info.duration,
            fps=info.video.fps if info.video else None,
            width=info.video.width if info.video else None,
            height=info.video.height if info.video else None,
        )
        with self._writer.begin() as connection:
            forgetting.refuse_forgotten(connection, identity)
            rows.insert(connection, entry)
            return adopt(staged, self.path / "clips")

    def _place(self, entry: ClipEntry) -> Path:
        path = address(self.path / "clips", entry.id, entry.suffix)
        return _present(path, f"clip {entry.id}")


def _present(path: Path, what: str) -> Path:
    if not path.is_file():
        raise WorkspaceError(f"{what} is not in the workspace ({path} is missing)")
    return path
