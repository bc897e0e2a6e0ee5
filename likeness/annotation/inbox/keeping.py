"""The inbox: what servers told, kept once, with the votes and the audit that follow from it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.annotation.inbox.reading import (
    NAMELESS,
    SKIPPED,
    WITHDRAWN,
    Dealt,
    changes,
    name_of,
    nameless,
    standing,
)
from likeness.annotation.layout import LAYOUT
from likeness.store import judging, tables
from likeness.store.database import in_batches
from likeness.store.judgements import Assignment, Delivery, Vote
from likeness.store.judging import Event
from likeness.store.ledger import Ledger
from likeness.store.record import now


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What came of deliveries.

    Attributes:
        told: how many were told.
        fresh: how many of them were not told before.
        votes: rows of votes appended, withdrawals included.
        uncounted: how many of those have a reason not to count, withdrawals left out.

    """

    told: int = 0
    fresh: int = 0
    votes: int = 0
    uncounted: int = 0

    def __add__(self, other: "Kept") -> "Kept":
        return Kept(
            told=self.told + other.told,
            fresh=self.fresh + other.fresh,
            votes=self.votes + other.votes,
            uncounted=self.uncounted + other.uncounted,
        )


def keep(ledger: Ledger, told: Sequence[Delivery], events: Iterable[Event] = ()) -> Kept:
    """Write down what was told, what follows from it, and what else happened; all or nothing.

    Told again, it changes nothing.
    """
    with ledger.transaction() as connection:
        judging.one_at_a_time(connection)
        fresh = judging.append_deliveries(connection, told)
        votes = _follow(connection, fresh) if fresh else []
        judging.append_audit(connection, [*_events(fresh), *events])
    return Kept(told=len(told), fresh=len(fresh), votes=len(votes), uncounted=_uncounted(votes))


def reread(ledger: Ledger, *, everything: bool = False) -> Kept:
    """Read again what doesn't count, for raters and assignments that became known since.

    Votes are appended where what stands has changed.

    Args:
        ledger: where the inbox is.
        everything: read all again, for clips that were forgotten since too.

    """
    with ledger.reading() as connection:
        lasting = (WITHDRAWN, SKIPPED)
        names = names_told(connection) if everything else judging.uncounted(connection, lasting)
    total = Kept()
    for some in in_batches(names):
        with ledger.transaction() as connection:
            judging.one_at_a_time(connection)
            votes = _append_changes(connection, some, {})
            judging.append_audit(
                connection,
                [("reread", vote.assignment, _told_of(vote)) for vote in votes],
            )
        total += Kept(votes=len(votes), uncounted=_uncounted(votes))
    return total


def differing(connection: Connection, names: Collection[str]) -> list[Vote]:
    """Return the votes that would have to be appended so that they follow from the inbox."""
    return [vote for vote, _ in _changes(connection, names)]


def names_told(connection: Connection, server: str | None = None) -> list[str]:
    """Return the names of all tasks of which a server told, or any of them did."""
    table = tables.deliveries
    keyed = sa.select(table.c.assignment).where(table.c.assignment != "").distinct()
    bare = sa.select(table.c.task, table.c.server).where(table.c.assignment == "").distinct()
    if server is not None:
        keyed, bare = (each.where(table.c.server == server) for each in (keyed, bare))
    names = set(connection.scalars(keyed))
    return sorted(names | {nameless(task, on) for task, on in connection.execute(bare)})


def dealt_of(connection: Connection, keys: Collection[str]) -> dict[str, Dealt]:
    """Return what keys stand for; unknown ones are left out."""
    assignments, comparisons, campaigns = tables.assignments, tables.comparisons, tables.campaigns
    first, second = (tables.clips.alias(side) for side in ("one", "other"))
    found: dict[str, Dealt] = {}
    for some in in_batches(keys):
        chosen = (
            sa.select(
                assignments,
                campaigns.c.dimensions,
                campaigns.c.layout,
                first.c.duration.label("first_lasts"),
                second.c.duration.label("second_lasts"),
                sa.case(
                    (first.c.id.is_(None), comparisons.c.first),
                    (second.c.id.is_(None), comparisons.c.second),
                ).label("forgotten"),
            )
            .join(comparisons, assignments.c.comparison == comparisons.c.id)
            .join(campaigns, comparisons.c.campaign == campaigns.c.id)
            .outerjoin(first, comparisons.c.first == first.c.id)
            .outerjoin(second, comparisons.c.second == second.c.id)
            .where(assignments.c.id.in_(some))
        )
        for row in connection.execute(chosen).mappings():
            values = {column.name: row[column.name] for column in tables.assignments.c}
            found[row["id"]] = Dealt(
                assignment=Assignment.from_dict(values),
                dimensions=tuple(row["dimensions"]),
                forgotten=row["forgotten"],
                plays=_plays(row),
            )
    return found


def whose_keys(connection: Connection, keys: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return campaign and rater of the assignments that keys stand for."""
    assignments, comparisons = tables.assignments, tables.comparisons
    columns = (assignments.c.id, comparisons.c.campaign, assignments.c.rater)
    return {
        row[0]: (row[1], row[2])
        for some in in_batches(set(keys))
        for row in connection.execute(
            sa.select(*columns)
            .join(comparisons, assignments.c.comparison == comparisons.c.id)
            .where(assignments.c.id.in_(some))
        )
    }


def _plays(row: Mapping[Any, Any]) -> float | None:
    """Return how long a view's video plays, None where its page asks for no proof of watching."""
    if row["layout"] != LAYOUT:
        return None
    return min(row["first_lasts"] or 0.0, row["second_lasts"] or 0.0)


def _follow(connection: Connection, fresh: Sequence[Delivery]) -> list[Vote]:
    names = sorted({name_of(each) for each in fresh})
    return _append_changes(connection, names, {name_of(each): each for each in fresh})


def _append_changes(
    connection: Connection, names: Collection[str], causes: Mapping[str, Delivery]
) -> list[Vote]:
    """Append the votes that follow.

    Each names the delivery that it was read from; one that stands again, or is withdrawn, names
    the delivery that caused it, and is dated by that, so that the newest is also the latest.
    """
    added = _changes(connection, names)
    sources = {vote.delivery for vote, _ in added if vote.delivery}
    used = judging.read_from(connection, sources | {each.id for each in causes.values()})
    votes = []
    for vote, before in added:
        place = (vote.assignment, vote.rater, vote.dimension)
        cause = causes.get(vote.assignment)
        named = next(
            (
                each
                for each in (vote.delivery, cause.id if cause else None)
                if each and (each, *place) not in used
            ),
            None,
        )
        created = vote.created
        if before is not None and created <= before.created:
            created = cause.created if cause else now()
        same = (named, created) == (vote.delivery, vote.created)
        votes.append(vote if same else replace(vote, delivery=named, created=created))
    judging.append_votes(connection, votes)
    return votes


def _changes(connection: Connection, names: Collection[str]) -> list[tuple[Vote, Vote | None]]:
    """Return the votes to append, each with the one that it supersedes."""
    raters = judging.accounts_of_raters(connection)
    dealt = dealt_of(connection, names)
    told: dict[str, list[Delivery]] = {name: [] for name in names}
    for each in deliveries_of(connection, names):
        told[name_of(each)].append(each)
    there: dict[str, list[Vote]] = {name: [] for name in names}
    for vote in judging.current_votes(connection, names):
        there[vote.assignment].append(vote)
    return [
        change
        for name in names
        for change in changes(standing(told[name], dealt.get(name), raters), there[name])
    ]


def deliveries_of(connection: Connection, names: Collection[str]) -> Iterator[Delivery]:
    """Read all that was told of tasks with some names."""
    wanted = set(names)
    yield from judging.deliveries_of(connection, "assignment", wanted - {""})
    if any(NAMELESS.match(name) for name in wanted):
        bare = judging.deliveries_of(connection, "assignment", [""])
        yield from (each for each in bare if name_of(each) in wanted)


def _events(fresh: Iterable[Delivery]) -> Iterator[Event]:
    for each in fresh:
        facts = {
            "server": each.server,
            "annotation": each.annotation,
            "task": each.task,
            "assignment": each.assignment,
            "updated": each.updated,
            "way": each.way,
        }
        yield ("deleted" if each.body is None else "told", each.id, facts)


def _told_of(vote: Vote) -> dict[str, Any]:
    return {
        name: getattr(vote, name) for name in ("rater", "dimension", "choice", "reason", "delivery")
    }


def _uncounted(votes: Iterable[Vote]) -> int:
    return sum(vote.reason is not None and vote.reason != WITHDRAWN for vote in votes)
