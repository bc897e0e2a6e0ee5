"""Engines, versions and migrations of a workspace's database."""

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import ExceptionContext

from likeness.store.atomic import DiskFullError
from likeness.store.errors import LikenessError
from likeness.store.tables import metadata

_FEW = 500  # values a statement; SQLite has a limit
_WAIT = 30  # seconds a process waits for another's write
_INSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_MIGRATION_LOCK = 7_461_203  # any number, the same everywhere

Value = TypeVar("Value", str, int)


class WorkspaceError(LikenessError):
    """A workspace that is missing, busy, of another version, or asked for what it doesn't hold."""


def connect(url: str) -> Engine:
    """Make the engine of a database; SQLite in WAL mode with foreign keys held.

    Raises:
        WorkspaceError: another kind of database.

    """
    parsed = sa.make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in _INSERT:
        raise WorkspaceError(f"{parsed.get_backend_name()}: use an SQLite or PostgreSQL URL")
    if parsed.get_backend_name() == "postgresql":
        return sa.create_engine(parsed, pool_pre_ping=True)
    engine = sa.create_engine(parsed, connect_args={"timeout": _WAIT})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    event.listen(engine, "handle_error", _explain_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """Return the engine whose transactions take the write lock as they begin.

    SQLite refuses, rather than waits, when a transaction that has read turns to writing.
    """
    return engine.execution_options(likeness_writes=True)


def in_batches(values: Collection[Value]) -> Iterator[list[Value]]:
    """Divide values, in order, into as many as one statement can ask for."""
    ordered = sorted(values)
    for start in range(0, len(ordered), _FEW):
        yield ordered[start : start + _FEW]


def insert_new(connection: Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert a row unless its id is there; return whether it was inserted."""
    insert = _INSERT[connection.dialect.name]
    statement = insert(table).values(**row).on_conflict_do_nothing(index_elements=["id"])
    return connection.execute(statement).rowcount == 1


def version_of(connection: Connection) -> str | None:
    """Return the schema version of a database, None where it holds no workspace."""
    from alembic.runtime.migration import MigrationContext

    return MigrationContext.configure(connection).get_current_revision()


def newest_version() -> str:
    """Return the schema version this code works with."""
    return _scripts().get_current_head() or ""


def known_version(version: str) -> bool:
    """Return whether this code can migrate from a version."""
    return any(script.revision == version for script in _scripts().walk_revisions())


def migrate(engine: Engine) -> None:
    """Bring a database to the newest version, from an empty one on; all or nothing."""
    from alembic import command

    with writing(engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def schema_differences(connection: Connection) -> list[Any]:
    """Return how a database differs from `tables`; empty when it doesn't."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    return compare_metadata(MigrationContext.configure(connection), metadata)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    return config


def _scripts() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, see _begin_sqlite
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _explain_sqlite(context: ExceptionContext) -> None:
    code = getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        raise DiskFullError("no room on the disk for the workspace's rows: free some space")
    if code == sqlite3.SQLITE_BUSY:
        raise WorkspaceError(
            f"the workspace is busy: another process has been writing for {_WAIT} s; try again"
        )


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("likeness_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
