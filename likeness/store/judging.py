"""Rows of judgement, each added below the earlier ones, and the chain that shows it.

What belongs together goes into one transaction: `Ledger.transaction`, then `one_at_a_time`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.store import rows, tables
from likeness.store.database import in_batches
from likeness.store.judgements import AuditEntry, Delivery, Rater, Vote

Event = tuple[str, str, Mapping[str, Any]]  # what happened, to what, the facts

_LOCK = 7_461_204  # any number, the same everywhere
_AT_ONCE = 5_000  # rows that are read together


def one_at_a_time(connection: Connection) -> None:
    """Let no other transaction add judgements until this one ends.

    SQLite's write lock does that already; PostgreSQL is told.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))


def append_raters(connection: Connection, raters: Iterable[Rater]) -> None:
    """Write down what raters are from now on."""
    _append(connection, tables.raters, [rater.to_dict() for rater in raters])


def current_raters(connection: Connection) -> dict[str, Rater]:
    """Return each rater as the newest record has them, by id."""
    table = tables.raters
    newest = sa.select(sa.func.max(table.c.row)).group_by(table.c.id)
    chosen = sa.select(table).where(table.c.row.in_(newest)).order_by(table.c.row)
    return {rater.id: rater for rater in rows.read(connection, Rater, chosen)}


def accounts_of_raters(connection: Connection) -> dict[str, set[str]]:
    """Return every account that each rater ever had, in lower case, by id."""
    table = tables.raters
    found: dict[str, set[str]] = {}
    for name, account in connection.execute(sa.select(table.c.id, table.c.account)):
        found.setdefault(name, set()).update({account.casefold()} - {""})
    return found


def append_deliveries(connection: Connection, deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Write down what a server told, and return what was not told before, in order."""
    told = {delivery.id: delivery for delivery in deliveries}
    table = tables.deliveries
    known = {
        name
        for some in in_batches(told)
        for name in connection.scalars(sa.select(table.c.id).where(table.c.id.in_(some)))
    }
    fresh = {name: delivery for name, delivery in told.items() if name not in known}
    _append(connection, table, [_row(each) | {"id": name} for name, each in fresh.items()])
    return list(fresh.values())


def deliveries_of(
    connection: Connection, column: str, values: Collection[Any], server: str | None = None
) -> Iterator[Delivery]:
    """Read the deliveries whose column has one of the values, of a server or of all, in order."""
    table = tables.deliveries
    for some in in_batches(values):
        chosen = sa.select(table).where(table.c[column].in_(some)).order_by(table.c.row)
        if server is not None:
            chosen = chosen.where(table.c.server == server)
        for row in connection.execute(chosen).mappings():
            delivery = _delivery(row)
            vars(delivery)["id"] = row["id"]  # as written down; `verify` takes the hash again
            yield delivery


def tasks_told(connection: Connection, server: str) -> dict[int, str]:
    """Return the tasks that a server told of, by number, each with a key that it carried."""
    table = tables.deliveries
    chosen = sa.select(table.c.task, sa.func.max(table.c.assignment)).where(
        table.c.server == server
    )
    return {row[0]: row[1] for row in connection.execute(chosen.group_by(table.c.task))}


def all_deliveries(connection: Connection) -> Iterator[tuple[str, Delivery]]:
    """Read every delivery with the id that was written down for it, the oldest first."""
    for row in _streamed(connection, tables.deliveries):
        yield row["id"], _delivery(row)


def append_votes(connection: Connection, votes: Iterable[Vote]) -> None:
    """Write votes down; they supersede earlier ones of their assignment, rater and dimension."""
    _append(connection, tables.votes, [_row(vote) | {"flags": list(vote.flags)} for vote in votes])


def current_votes(connection: Connection, assignments: Collection[str] | None = None) -> list[Vote]:
    """Return the latest vote of each assignment, rater and dimension, withdrawn ones included."""
    table = tables.votes
    if assignments is None:
        return _latest(connection, sa.true())
    return [
        vote
        for some in in_batches(assignments)
        for vote in _latest(connection, table.c.assignment.in_(some))
    ]


def uncounted(connection: Connection, but: Collection[str]) -> list[str]:
    """Return the assignments with a vote that has a reason, other than some."""
    reason = tables.votes.c.reason
    chosen = sa.select(tables.votes.c.assignment).where(reason.is_not(None), reason.not_in(but))
    return sorted(set(connection.scalars(chosen)))


def read_from(
    connection: Connection, deliveries: Collection[str]
) -> set[tuple[str, str, str, str]]:
    """Return delivery, assignment, rater and dimension of the votes that name the deliveries."""
    table = tables.votes
    columns = (table.c.delivery, table.c.assignment, table.c.rater, table.c.dimension)
    return {
        (row[0], row[1], row[2], row[3])
        for some in in_batches(deliveries)
        for row in connection.execute(sa.select(*columns).where(table.c.delivery.in_(some)))
    }


def append_audit(connection: Connection, events: Iterable[Event]) -> None:
    """Chain events to what happened before; `one_at_a_time` must have been called."""
    table = tables.audit
    newest = sa.select(table.c.hash).order_by(table.c.row.desc()).limit(1)
    previous = connection.scalar(newest) or ""
    chained = []
    for event, subject, told in events:
        entry = AuditEntry(event=event, subject=subject, told=dict(told), previous=previous)
        previous = entry.hash
        chained.append(_row(entry) | {"hash": previous})
    _append(connection, table, chained)


def events_of(
    connection: Connection, event: str, subject: str | None = None
) -> Iterator[AuditEntry]:
    """Read what happened of a kind, to a subject or to all, the oldest first."""
    table = tables.audit
    chosen = sa.select(table).where(table.c.event == event).order_by(table.c.row)
    if subject is not None:
        chosen = chosen.where(table.c.subject == subject)
    yield from rows.read(connection, AuditEntry, chosen)


def verify_chain(connection: Connection) -> str | None:
    """Say where the audit's chain is first broken; None where it is whole.

    An entry that was changed, taken out from the middle or put in is found. That the newest
    entries are missing can't be seen from the chain alone: keep `chain_end` elsewhere for that.
    """
    previous = ""
    for row in _streamed(connection, tables.audit):
        entry = AuditEntry.from_dict({name: row[name] for name in _FIELDS[AuditEntry]})
        if entry.previous != previous:
            return f"entry {row['row']} ({entry.event}) doesn't follow the one before it"
        if entry.hash != row["hash"]:
            return f"entry {row['row']} ({entry.event}) isn't what was written down"
        previous = row["hash"]
    return None


def chain_end(connection: Connection) -> tuple[int, str]:
    """Return how many entries the audit has, and the newest's hash (empty without any)."""
    table = tables.audit
    newest = sa.select(table.c.hash).order_by(table.c.row.desc()).limit(1)
    count = connection.scalar(sa.select(sa.func.count()).select_from(table))
    return count or 0, connection.scalar(newest) or ""


_FIELDS = {
    kind: tuple(field.name for field in fields(kind)) for kind in (Delivery, Vote, AuditEntry)
}


def _row(record: Delivery | Vote | AuditEntry) -> dict[str, Any]:
    """Fields as they are: `to_dict` copies a body region by region, which takes most of a sync."""
    return {name: getattr(record, name) for name in _FIELDS[type(record)]}


def _delivery(row: Mapping[Any, Any]) -> Delivery:
    values: dict[str, Any] = {name: row[name] for name in _FIELDS[Delivery]}
    return Delivery(**values)


def _append(connection: Connection, table: sa.Table, values: list[dict[str, Any]]) -> None:
    if values:
        connection.execute(sa.insert(table), values)


def _latest(connection: Connection, where: sa.ColumnElement[bool]) -> list[Vote]:
    table = tables.votes
    newest = (
        sa.select(sa.func.max(table.c.row))
        .where(where)
        .group_by(table.c.assignment, table.c.rater, table.c.dimension)
    )
    chosen = sa.select(table).where(table.c.row.in_(newest)).order_by(table.c.row)
    return [
        Vote.from_dict({name: row[name] for name in _FIELDS[Vote]})
        for row in connection.execute(chosen).mappings()
    ]


def _streamed(connection: Connection, table: sa.Table) -> Iterator[Mapping[Any, Any]]:
    """Read a table in the order of its rows, some at a time."""
    last = 0
    while True:
        some = sa.select(table).where(table.c.row > last).order_by(table.c.row).limit(_AT_ONCE)
        found = connection.execute(some).mappings().all()
        if not found:
            return
        yield from found
        last = found[-1]["row"]
