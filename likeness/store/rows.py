"""Records to rows and back."""

from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from likeness.store import tables
from likeness.store.database import WorkspaceError, insert_new
from likeness.store.judgements import (
    Assignment,
    AuditEntry,
    Campaign,
    Comparison,
    Delivery,
    Rater,
    Vote,
)
from likeness.store.record import Record, now
from likeness.store.records import (
    Checkpoint,
    ClipEntry,
    Condition,
    Consent,
    Pair,
    Run,
    Sample,
    Score,
)

Kept = (
    ClipEntry
    | Condition
    | Sample
    | Pair
    | Run
    | Checkpoint
    | Consent
    | Campaign
    | Comparison
    | Assignment
)

TABLES: dict[type[Record], sa.Table] = {
    ClipEntry: tables.clips,
    Condition: tables.conditions,
    Sample: tables.samples,
    Pair: tables.pairs,
    Run: tables.runs,
    Checkpoint: tables.checkpoints,
    Consent: tables.consents,
    Score: tables.scores,
    Campaign: tables.campaigns,
    Comparison: tables.comparisons,
    Assignment: tables.assignments,
    Rater: tables.raters,
    Delivery: tables.deliveries,
    Vote: tables.votes,
    AuditEntry: tables.audit,
}

R = TypeVar("R", bound=Record)


def insert(connection: Connection, record: Kept) -> None:
    """Write a record down unless it is there already.

    Raises:
        WorkspaceError: another record has its id, or it names something that isn't there.

    """
    kind = type(record)
    try:
        fresh = insert_new(connection, TABLES[kind], {**record.to_dict(), "id": record.id})
    except IntegrityError as error:
        raise _nameless(record) from error
    if fresh:
        return
    there = find(connection, kind, id=record.id)[0].to_dict()
    differing = [
        name
        for name, value in kind.from_dict(record.to_dict()).to_dict().items()
        if name not in kind.fleeting and value != there[name]
    ]
    if differing:
        raise WorkspaceError(
            f"{kind.__name__} {record.id} is already in the workspace with another "
            f"{', '.join(differing)}; what is written down isn't changed"
        )


def append_scores(connection: Connection, scores: list[Score]) -> None:
    """Write scores down below all earlier ones.

    Raises:
        WorkspaceError: a score names a clip or condition that isn't there.

    """
    created = now()
    try:
        connection.execute(
            sa.insert(tables.scores), [{**s.to_dict(), "created": created} for s in scores]
        )
    except IntegrityError as error:
        raise _nameless(scores[0]) from error


def find(connection: Connection, kind: type[R], /, **where: Any) -> list[R]:
    """Return the records of a kind whose fields have the given values, None meaning any."""
    table = TABLES[kind]
    wanted = [table.c[name] == value for name, value in where.items() if value is not None]
    return read(connection, kind, sa.select(table).where(*wanted).order_by(*_order(table)))


def current_scores(connection: Connection, **where: Any) -> list[Score]:
    """Return the latest score of each clip, condition and reward."""
    scores = tables.scores
    wanted = [scores.c[name] == value for name, value in where.items() if value is not None]
    latest = (
        sa.select(sa.func.max(scores.c.row))
        .where(*wanted)
        .group_by(scores.c.clip, scores.c.condition, scores.c.reward)
    )
    chosen = sa.select(scores).where(scores.c.row.in_(latest)).order_by(scores.c.row)
    return read(connection, Score, chosen)


def read(connection: Connection, kind: type[R], statement: sa.Select[Any]) -> list[R]:
    """Return the records of a kind that a statement over its whole table selects."""
    names = kind.__dataclass_fields__
    rows = connection.execute(statement).mappings()
    return [
        kind.from_dict({name: value for name, value in row.items() if name in names})
        for row in rows
    ]


def _order(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c[name] for name in ("row", "created", "id") if name in table.c]


def _nameless(record: Record) -> WorkspaceError:
    return WorkspaceError(
        f"{type(record).__name__} of {TABLES[type(record)].name}: it names a clip, background, "
        "condition, checkpoint, run or sample that the workspace doesn't hold; add that first "
        f"({record.to_dict()})"
    )
