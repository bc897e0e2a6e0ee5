"""Where a workspace stands, in counts that the database makes."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.store import tables


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Counts of what is there.

    Attributes:
        people: identities with a clip.
        samples: generated clips with what made them.
        scores: rows of scores, superseded ones too.
        pairs: winners and losers.
        checkpoints: known ones.
        asked: comparisons that were put before a rater.
        open: those of them without an answer.
        tainted: checkpoints that learnt from people who were forgotten since.

    """

    people: int
    samples: int
    scores: int
    pairs: int
    checkpoints: int
    asked: int
    open: int
    tainted: int

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.samples or self.checkpoints or self.people)


def standing(connection: Connection) -> Standing:
    """Count what is there."""
    t = tables

    def rows(table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0

    answered = sa.select(t.votes.c.row).where(t.votes.c.assignment == t.assignments.c.id).exists()
    marked = sa.cast(t.checkpoints.c.forgotten, sa.Text).not_in(["[]", "null"])
    people = sa.select(sa.func.count(sa.distinct(t.clips.c.identity)))
    return Standing(
        people=connection.scalar(people) or 0,
        samples=rows(t.samples),
        scores=rows(t.scores),
        pairs=rows(t.pairs),
        checkpoints=rows(t.checkpoints),
        asked=rows(t.assignments),
        open=rows(t.assignments, ~answered),
        tainted=rows(t.checkpoints, marked),
    )
