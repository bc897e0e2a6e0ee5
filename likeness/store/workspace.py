import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError

from likeness.store import database, forgetting
from likeness.store.database import WorkspaceError
from likeness.store.forgetting import Forgotten
from likeness.store.shelf import Shelf

__all__ = ["Workspace", "WorkspaceError"]

DATABASE = "likeness.db"
FOLDERS = ("clips", "arrays", "runs", "boards", "studies", "locks")


class Workspace(Shelf):
    """A folder with a database that remembers clips, samples, scores, pairs and runs.

    Files are called by the hash of their bytes and written whole or not at all; rows are added,
    and none but a run's state is ever changed. Several processes may work in one workspace.
    """

    @classmethod
    def create(cls, path: str | Path, url: str | None = None) -> Self:
        """Make a workspace in a folder, or open the one that is there.

        Args:
            path: the folder.
            url: of a PostgreSQL database; without it an SQLite file in the folder.

        Raises:
            WorkspaceError: what is there is of another version.

        """
        path = Path(path)
        for name in FOLDERS:
            (path / name).mkdir(parents=True, exist_ok=True)
        engine = database.connect(url or _sqlite_url(path))
        version = _version(path, engine)
        if version is None:
            database.migrate(engine)
        else:
            _check_version(path, version)
        return cls(path, engine)

    @classmethod
    def open(cls, path: str | Path, url: str | None = None) -> Self:
        """Open the workspace in a folder.

        Raises:
            WorkspaceError: there is none, or it is of another version.

        """
        path = Path(path)
        engine, version = _existing(path, url)
        _check_version(path, version)
        return cls(path, engine)

    @classmethod
    def upgrade(cls, path: str | Path, url: str | None = None) -> Self:
        """Bring an older workspace to this version, keeping all rows, and open it.

        Raises:
            WorkspaceError: there is none, or it is of a newer version.

        """
        path = Path(path)
        engine, version = _existing(path, url)
        if database.known_version(version):
            database.migrate(engine)
        engine.dispose()
        return cls.open(path, url)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold a piece of work, such as `demo`, against other processes; ends with the process.

        Raises:
            WorkspaceError: another process holds it; its number is told.

        """
        path = self.path / "locks" / f"{name}.lock"
        with open(path, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                raise WorkspaceError(
                    f"{self.path}: {name} is already running as process {file.read().strip()}; "
                    "wait for it, stop it, or take another workspace"
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def forget(self, identity: str, *, elsewhere: bool = False) -> Forgotten:
        """Remove a person's clips, what was generated from them, and caches of either.

        A tombstone stays, which keeps the person out, and marks the checkpoints that learnt from
        them. ``elsewhere`` says that they were in data beside the workspace.

        Raises:
            WorkspaceError: nobody of that name was ever in the workspace, nor elsewhere.

        """
        with self._writer.begin() as connection:
            return forgetting.forget(connection, self.path, identity, elsewhere=elsewhere)


def _sqlite_url(path: Path) -> str:
    return sa.URL.create("sqlite", database=str(path / DATABASE)).render_as_string()


def _existing(path: Path, url: str | None) -> tuple[sa.Engine, str]:
    if (path / "clips").is_dir() and (url or (path / DATABASE).is_file()):
        engine = database.connect(url or _sqlite_url(path))
        if version := _version(path, engine):
            return engine, version
    raise WorkspaceError(f"{path}: no workspace here; check the path, or create one there")


def _version(path: Path, engine: sa.Engine) -> str | None:
    try:
        with engine.connect() as connection:
            return database.version_of(connection)
    except DatabaseError as error:
        raise WorkspaceError(f"{path}: its database can't be read ({error.orig})") from error


def _check_version(path: Path, version: str) -> None:
    newest = database.newest_version()
    if version == newest:
        return
    mend = (
        f"run `likeness doctor --upgrade {path}`, which keeps all rows"
        if database.known_version(version)
        else "it was made by a newer likeness; install that, or take another workspace"
    )
    raise WorkspaceError(
        f"{path}: workspace version {version}, this likeness needs {newest}: {mend}"
    )
