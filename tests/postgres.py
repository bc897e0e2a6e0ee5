"""A throw-away PostgreSQL server."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

_numbers = count()


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A running server that listens on a socket in `sockets` alone."""

    sockets: Path

    def url(self, database: str) -> str:
        return f"postgresql://tester@/{database}?host={self.sockets}"

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        name = f"likeness_{next(_numbers)}"
        url = self.url("postgres").replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self.url(name)


def start_postgres() -> Iterator[PostgresServer]:
    """Start a server as somebody who isn't root; skip, or on CI fail, where there is none."""
    binaries = _binaries()
    if binaries is None:
        say = pytest.fail if os.environ.get("CI") else pytest.skip
        say("PostgreSQL's initdb and postgres are not on this machine")
    # not below pytest's folder, which only its owner may enter; short, for the socket's name
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        home = Path(folder)
        if os.geteuid() == 0:
            shutil.chown(home, "nobody")
        data, log = home / "data", home / "log"
        _run(binaries / "initdb", "-D", data, "-U", "tester", "-A", "trust", "-N", "-E", "UTF8")
        options = f"-k {home} -c listen_addresses='' -c fsync=off"
        control = binaries / "pg_ctl"
        _run(control, "-D", data, "-l", log, "-w", "-t", "60", "-o", options, "start")
        try:
            yield PostgresServer(sockets=home)
        finally:
            _run(control, "-D", data, "-m", "immediate", "-w", "stop")


def _binaries() -> Path | None:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    on_path = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    for folder in (*installed, *on_path):
        if all((folder / name).is_file() for name in ("initdb", "postgres", "pg_ctl")):
            return folder
    return None


def _run(*command: object) -> None:
    user = "nobody" if os.geteuid() == 0 else None
    done = subprocess.run(
        [str(part) for part in command],
        user=user,
        cwd="/tmp",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"
