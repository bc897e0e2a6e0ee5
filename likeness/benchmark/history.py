"""What became of a board: built, systems withdrawn; lines are added, never changed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from likeness.store.errors import LikenessError
from likeness.store.records import Record, RecordError, content_id, now

FIRST = "0" * 64


class HistoryError(LikenessError):
    """A history that was edited, or what can't be added to it."""


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """A line of history.jsonl.

    Attributes:
        event: what was done.
        board: SHA-256 of the board.json that was built; empty for a withdrawal.
        system: what was withdrawn, else empty.
        reason: why.
        by: who says so.
        created: UTC, ISO 8601.
        previous: hash of the line before, zeros for the first.
        hash: of this line without its hash.

    """

    event: Literal["built", "withdrawn"]
    board: str = ""
    system: str = ""
    reason: str = ""
    by: str = ""
    created: str
    previous: str
    hash: str = ""

    def sealed(self) -> "Event":
        """Return the line with its hash."""
        told = self.to_dict() | {"hash": content_id(self._told())}
        return Event.from_dict(told)

    def _told(self) -> dict[str, str]:
        return {name: value for name, value in self.to_dict().items() if name != "hash"}

    @property
    def whole(self) -> bool:
        """Whether the hash is that of the line."""
        return self.hash == content_id(self._told())


class History:
    """The lines of a file, each chained to the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def events(self) -> list[Event]:
        """Read all lines.

        Raises:
            HistoryError: a line was edited, removed or put between.

        """
        return list(self._read())

    def _read(self) -> Iterator[Event]:
        if not self.path.exists():
            return
        before = FIRST
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                event = Event.from_dict(json.loads(line))
            except (ValueError, TypeError, AttributeError, RecordError) as error:
                raise HistoryError(
                    f"{self.path}: line {number} is no event ({error}); restore the file"
                ) from None
            if not event.whole or event.previous != before:
                raise HistoryError(
                    f"{self.path}: line {number} was edited, or a line before it is gone; restore "
                    "the file"
                )
            before = event.hash
            yield event

    def built(self, board: str) -> None:
        """Note that a board was built; the same board again is no news."""
        events = self.events()
        if not events or events[-1].event != "built" or events[-1].board != board:
            self._add(events, Event(event="built", board=board, created=now(), previous=FIRST))

    def withdraw(self, system: str, reason: str, by: str) -> None:
        """Note that a system is taken off the board.

        Raises:
            HistoryError: nobody says why or who, or it was withdrawn already.

        """
        if not (reason.strip() and by.strip()):
            raise HistoryError("a withdrawal needs a reason and a name: who withdraws, and why")
        events = self.events()
        if any(event.system == system for event in events):
            raise HistoryError(f"{system} was withdrawn already; {self.path.name} says why")
        self._add(
            events,
            Event(
                event="withdrawn",
                system=system,
                reason=reason.strip(),
                by=by.strip(),
                created=now(),
                previous=FIRST,
            ),
        )

    def withdrawn(self) -> tuple[dict[str, str], ...]:
        """List what was taken off: system, reason, by, created."""
        return tuple(
            {"system": e.system, "reason": e.reason, "by": e.by, "created": e.created}
            for e in self.events()
            if e.event == "withdrawn"
        )

    def _add(self, events: list[Event], event: Event) -> None:
        previous = events[-1].hash if events else FIRST
        line = Event.from_dict(event.to_dict() | {"previous": previous}).sealed()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line.to_dict(), ensure_ascii=False) + "\n")
