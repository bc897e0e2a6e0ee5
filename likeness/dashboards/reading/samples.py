"""Samples and their scores as pages want them: some rows at a time, never a whole table."""

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.store import tables
from likeness.store.database import WorkspaceError

MOST = 500  # rows of a page of results
_CHOICES = 1000  # of what a list offers

s, c, k, r, q = (
    tables.samples,
    tables.clips,
    tables.conditions,
    tables.scores,
    tables.checkpoints,
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which samples are looked for, and in which order.

    Attributes:
        reward: by which they are ordered and bounded; empty for no order.
        identity: whose clips; empty for everybody's.
        scene: where; empty for anywhere.
        checkpoint: what made them; empty for any.
        low, high: bounds of the reward's value; None for none.
        descending: the best first.

    """

    reward: str = ""
    identity: str = ""
    scene: str = ""
    checkpoint: str = ""
    low: float | None = None
    high: float | None = None
    descending: bool = True


@dataclass(frozen=True, kw_only=True)
class Found:
    """A sample in a list; the value is None where it was not scored, or has a reason instead."""

    id: str
    clip: str
    condition: str
    checkpoint: str
    seed: int
    identity: str | None
    scene: str | None
    value: float | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Facets:
    """What can be chosen from, each sorted."""

    rewards: tuple[str, ...]
    checkpoints: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Made:
    """A condition and all that the player needs of it.

    Attributes:
        condition: its id.
        identity: who is shown, where known.
        reference: id of the first reference clip.
        target: id of the true clip, where there is one.
        prompt: what the picture shows.
        fps: of the sample.
        samples: made for it, the chosen one first; at most as many as asked for.
        others: how many more there are.

    """

    condition: str
    identity: str | None
    reference: str
    target: str | None
    prompt: str
    fps: float
    samples: tuple[Found, ...]
    others: int


def state_of(connection: Connection) -> str:
    """Return a text that is another one once samples or scores were added or removed."""
    newest = connection.scalar(sa.select(sa.func.max(r.c.row)))
    counted = connection.scalar(sa.select(sa.func.count()).select_from(s))
    stones = connection.scalar(sa.select(sa.func.count()).select_from(tables.tombstones))
    return f"{newest}-{counted}-{stones}"


def facets(connection: Connection) -> Facets:
    """List rewards and checkpoints that samples have."""
    rewards = []
    last = ""
    while len(rewards) < _CHOICES:  # from one name to the next in the index, not through all rows
        last = connection.scalar(sa.select(sa.func.min(r.c.reward)).where(r.c.reward > last))
        if last is None:
            break
        rewards.append(last)
    made = sa.select(s.c.id).where(s.c.checkpoint == q.c.id).exists()
    names = connection.scalars(sa.select(q.c.id).where(made).order_by(q.c.id).limit(_CHOICES))
    return Facets(rewards=tuple(rewards), checkpoints=tuple(names))


def people(connection: Connection, begins: str = "") -> tuple[str, ...]:
    """List the identities of clips, in order; those that begin with a text."""
    names = sa.select(c.c.identity).where(c.c.identity.is_not(None)).distinct()
    if begins:
        names = names.where(c.c.identity.startswith(begins, autoescape=True))
    return tuple(connection.scalars(names.order_by(c.c.identity).limit(_CHOICES)))


def current(reward: str) -> tuple[Any, sa.ColumnElement[bool]]:
    """Return the scores and what joins to each sample the latest one of a reward.

    The text added to names keeps SQLite from going through all scores of the reward for each
    sample: it is to look up the sample's own few.
    """
    mine, newer = r.alias("mine"), r.alias("newer")
    same = (newer.c.clip == mine.c.clip) & (newer.c.condition == mine.c.condition)
    later = (newer.c.reward.concat("") == reward) & (newer.c.row > mine.c.row)
    superseded = sa.select(newer.c.row).where(same, later).exists()
    of_sample = (mine.c.clip == s.c.clip) & (mine.c.condition == s.c.condition)
    return mine, of_sample & (mine.c.reward.concat("") == reward) & ~superseded


def find(
    connection: Connection, wanted: Wanted, *, limit: int = 50, offset: int = 0
) -> list[Found]:
    """List samples; those without a value come last."""
    statement, value = _asked(wanted)
    if value is not None:
        order = value.desc() if wanted.descending else value.asc()
        statement = statement.order_by(order.nulls_last(), s.c.id)
    else:
        statement = statement.order_by(s.c.id)
    rows = connection.execute(statement.limit(min(limit, MOST)).offset(offset))
    return [Found(**row) for row in rows.mappings()]


def count(connection: Connection, wanted: Wanted) -> int:
    """Count the samples that are looked for."""
    if wanted.low is None and wanted.high is None:
        wanted = replace(wanted, reward="")
    statement, _ = _asked(wanted)
    return connection.scalar(sa.select(sa.func.count()).select_from(statement.subquery())) or 0


def made_with(connection: Connection, sample: str, *, most: int = 4) -> Made:
    """Return a sample beside others of its condition.

    Raises:
        WorkspaceError: there is no such sample.

    """
    first = connection.execute(_plain().where(s.c.id == sample)).mappings().first()
    if first is None:
        raise WorkspaceError(f"no sample {sample[:12]} here; it may have been forgotten")
    condition = connection.execute(sa.select(k).where(k.c.id == first["condition"])).one()
    others = (s.c.condition == condition.id) & (s.c.id != sample)
    beside = connection.execute(
        _plain().where(others).order_by(s.c.checkpoint, s.c.seed, s.c.id).limit(most - 1)
    )
    total = connection.scalar(sa.select(sa.func.count()).select_from(s).where(others)) or 0
    samples = tuple(Found(**row) for row in (first, *beside.mappings()))
    fps = connection.scalar(sa.select(c.c.fps).where(c.c.id == first["clip"]))
    return Made(
        condition=condition.id,
        identity=first["identity"],
        reference=condition.references[0],
        target=condition.target,
        prompt=condition.prompt,
        fps=fps or 25.0,
        samples=samples,
        others=max(0, total - len(samples) + 1),
    )


def scores_of(connection: Connection, clip: str, condition: str) -> dict[str, tuple[Any, Any]]:
    """Return a clip's latest values under a condition: reward -> value and reason."""
    rows = connection.execute(
        sa.select(r.c.reward, r.c.value, r.c.reason)
        .where(r.c.clip == clip, r.c.condition == condition)
        .order_by(r.c.row)
    )
    return {row.reward: (row.value, row.reason) for row in rows}


def _columns() -> tuple[Any, ...]:
    return (
        s.c.id,
        s.c.clip,
        s.c.condition,
        s.c.checkpoint,
        s.c.seed,
        c.c.identity,
        c.c.scene,
    )


def _plain() -> sa.Select[*tuple[Any, ...]]:
    nothing = (sa.literal(None).label("value"), sa.literal(None).label("reason"))
    return sa.select(*_columns(), *nothing).join(c, c.c.id == s.c.clip)


def _asked(wanted: Wanted) -> tuple[sa.Select[*tuple[Any, ...]], sa.ColumnElement[Any] | None]:
    value: sa.ColumnElement[Any] | None = None
    if wanted.reward:
        scored, same = current(wanted.reward)
        value = scored.c.value
        bounded = wanted.low is not None or wanted.high is not None
        statement = (
            sa.select(*_columns(), scored.c.value, scored.c.reason)
            .select_from(s)
            .join(c, c.c.id == s.c.clip)
            .join(scored, same, isouter=not bounded)
        )
        if wanted.low is not None:
            statement = statement.where(scored.c.value >= wanted.low)
        if wanted.high is not None:
            statement = statement.where(scored.c.value <= wanted.high)
    else:
        statement = _plain()
    for column, asked in (
        (c.c.identity, wanted.identity),
        (c.c.scene, wanted.scene),
        (s.c.checkpoint, wanted.checkpoint),
    ):
        if asked:
            statement = statement.where(column == asked)
    return statement, value
