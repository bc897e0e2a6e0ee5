"""A study's rows: answers and events, added below the earlier ones and never changed.

One SQLite file in WAL mode, flushed to disk before an answer counts as saved. A rater's answer to
a trial is unique: double clicks, two tabs and repeated requests come to the row of the first.
Answers that arrive together go to disk together.
"""

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from likeness.benchmark.studies.answers import StudyError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    row INTEGER PRIMARY KEY,
    rater TEXT NOT NULL,
    place INTEGER NOT NULL,
    item TEXT NOT NULL,
    purpose TEXT NOT NULL,
    at REAL NOT NULL,
    told TEXT NOT NULL,
    UNIQUE (rater, place)
);
CREATE TABLE IF NOT EXISTS events (
    row INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    subject TEXT NOT NULL,
    told TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS once (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
"""
_TABLES = ("answers", "events", "once")
_BUSY = 20.0  # seconds that a process waits for another's write


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a rater said.

    Attributes:
        rater: of the link.
        place: of the trial among the rater's, from 0.
        item: key of what was shown.
        purpose: why.
        at: when, seconds since 1970 by the study's clock.
        told: `chosen`, `confidence`, `why`, or `scores` by dimension; and how it was watched.

    """

    rater: str
    place: int
    item: str
    purpose: str
    at: float
    told: Mapping[str, Any]


class Rows:
    """The rows of a study, for many threads at once.

    Args:
        path: of the file, made where it is missing.

    Raises:
        StudyError: the file is no such database, or can't be written.

    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.Lock()
        self._due: SimpleQueue[_Due | None] = SimpleQueue()
        try:
            self._connection = connection = self._connect()
            connection.executescript(_SCHEMA)
            for table in _TABLES:
                for change in ("UPDATE", "DELETE"):
                    connection.execute(
                        f"CREATE TRIGGER IF NOT EXISTS no_{change.lower()}_{table} BEFORE {change} "
                        f"ON {table} BEGIN SELECT RAISE(ABORT, 'rows are only added'); END"
                    )
        except sqlite3.DatabaseError as error:
            raise StudyError(f"{path}: not a study's rows, or not writable ({error})") from error
        self._writer = threading.Thread(target=self._write, name="study-rows", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Write what is waiting, and let go of the file."""
        self._due.put(None)
        self._writer.join()
        self._connection.close()

    def add(self, answer: Answer) -> bool:
        """Keep an answer; returns when it is on disk: whether it is new, or an earlier one stands.

        Raises:
            StudyError: it can't be written.

        """
        values = (answer.rater, answer.place, answer.item, answer.purpose, answer.at,
                  json.dumps(answer.told, ensure_ascii=False))  # fmt: skip
        insert = (
            "INSERT OR IGNORE INTO answers (rater, place, item, purpose, at, told) "
            "VALUES (?, ?, ?, ?, ?, ?)"
        )
        return self._put(insert, values)

    def note(self, at: float, event: str, subject: str, told: Mapping[str, Any]) -> None:
        """Write down that something happened."""
        self._put(
            "INSERT INTO events (at, event, subject, told) VALUES (?, ?, ?, ?)",
            (at, event, subject, json.dumps(told, ensure_ascii=False)),
        )

    def claim(self, name: str, value: str) -> str:
        """Set what can be set once; returns what stands."""
        self._put("INSERT OR IGNORE INTO once (name, value) VALUES (?, ?)", (name, value))
        return self.claimed(name) or ""

    def claimed(self, name: str) -> str | None:
        """Return what was set; None where nothing was."""
        rows = self._read("SELECT value FROM once WHERE name = ?", name)
        return rows[0][0] if rows else None

    def places(self, rater: str) -> set[int]:
        """Return the places that a rater answered."""
        return {row[0] for row in self._read("SELECT place FROM answers WHERE rater = ?", rater)}

    def answers(self) -> list[Answer]:
        """Read all answers in the order they came."""
        found = self._read("SELECT rater, place, item, purpose, at, told FROM answers ORDER BY row")
        return [
            Answer(
                rater=row[0],
                place=row[1],
                item=row[2],
                purpose=row[3],
                at=row[4],
                told=json.loads(row[5]),
            )
            for row in found
        ]

    def events(self, event: str | None = None) -> list[tuple[float, str, str, dict[str, Any]]]:
        """Read what happened, in order: when, what, to what, and the facts."""
        found = self._read(
            "SELECT at, event, subject, told FROM events WHERE ? IS NULL OR event = ? ORDER BY row",
            event,
            event,
        )
        return [(row[0], row[1], row[2], json.loads(row[3])) for row in found]

    def count(self, event: str, subject: str) -> int:
        """Count how often something happened to a subject."""
        query = "SELECT count(*) FROM events WHERE event = ? AND subject = ?"
        return self._read(query, event, subject)[0][0]

    def newest(self) -> float:
        """Return when the newest row was written; 0 where there is none."""
        query = "SELECT max(at) FROM (SELECT at FROM answers UNION ALL SELECT at FROM events)"
        return self._read(query)[0][0] or 0.0

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._reading:
            return self._connection.execute(query, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        # autocommit: what is written is said in so many words
        connection = sqlite3.connect(
            self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        return connection

    def _put(self, statement: str, values: tuple[Any, ...]) -> bool:
        due = _Due(statement, values)
        self._due.put(due)
        due.done.wait()
        if due.error is not None:
            raise StudyError(f"{self._path}: can't be written ({due.error})") from due.error
        return due.new

    def _write(self) -> None:
        """Write what is due, all that waits in one transaction."""
        connection = self._connect()
        ended = False
        while not ended:
            batch = [self._due.get()]
            while not self._due.empty():
                batch.append(self._due.get())
            ended = None in batch
            some = [due for due in batch if due is not None]
            try:
                connection.execute("BEGIN IMMEDIATE")
                for due in some:
                    due.new = connection.execute(due.statement, due.values).rowcount > 0
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                for due in some:
                    due.error = error
            for due in some:
                due.done.set()
        connection.close()


class _Due:
    """A statement that waits to be written."""

    def __init__(self, statement: str, values: tuple[Any, ...]) -> None:
        self.statement = statement
        self.values = values
        self.done = threading.Event()
        self.new = False
        self.error: sqlite3.Error | None = None
