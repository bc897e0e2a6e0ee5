from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from likeness.store import rows, tables
from likeness.store.database import WorkspaceError, in_batches, writing
from likeness.store.records import (
    Checkpoint,
    ClipEntry,
    Condition,
    Consent,
    Pair,
    Run,
    RunState,
    Sample,
    Score,
)
from likeness.store.rows import Kept, R


class Ledger:
    """The rows of a workspace. They are added; none but a run's state is ever changed.

    Attributes:
        path: the workspace's folder.

    """

    def __init__(self, path: Path, engine: Engine) -> None:
        self.path = path
        self._engine = engine
        self._writer = writing(engine)

    def add(self, *records: Kept) -> None:
        """Write records down, all or none; those already there are passed over.

        Raises:
            WorkspaceError: another record has the same id, or one names what isn't there.

        """
        with self._writer.begin() as connection:
            for record in records:
                rows.insert(connection, record)

    def add_scores(self, scores: Iterable[Score]) -> None:
        """Append scores; they supersede earlier ones of the same clip, condition and reward.

        Raises:
            WorkspaceError: a score names a clip or condition that isn't there.

        """
        listed = list(scores)
        if listed:
            with self._writer.begin() as connection:
                rows.append_scores(connection, listed)

    def replace_pairs(self, pairs: Iterable[Pair], source: str, **told: str) -> int:
        """Put pairs in the place of those that the same question gave before.

        Pairs follow from judgements and scores, which stay; those of votes that have since been
        taken back must not be learned from.

        Args:
            pairs: that hold now.
            source: of the pairs that make way.
            told: what their `scores` say, such as the campaign.

        Returns:
            How many made way and didn't come back.

        """
        listed = list(pairs)
        table = tables.pairs
        of = [table.c.scores[name].as_string() == value for name, value in told.items()]
        with self._writer.begin() as connection:
            before = set(
                connection.scalars(sa.select(table.c.id).where(table.c.source == source, *of))
            )
            gone = before - {pair.id for pair in listed}
            for some in in_batches(gone):
                connection.execute(sa.delete(table).where(table.c.id.in_(some)))
            for pair in listed:
                rows.insert(connection, pair)
        return len(gone)

    def set_run_state(self, run: str, state: RunState) -> None:
        """Note where a run stands.

        Raises:
            WorkspaceError: there is no such run.

        """
        with self._writer.begin() as connection:
            table = tables.runs
            change = sa.update(table).where(table.c.id == run).values(state=state)
            if connection.execute(change).rowcount == 0:
                raise WorkspaceError(f"{self.path}: no run {run}")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Write several things, all or none, by the functions of `rows` and `judging`."""
        with self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read several things as they stand at one moment."""
        with self._engine.connect() as connection:
            yield connection

    def find(self, kind: type[R], /, **where: Any) -> list[R]:
        """Return all records of a kind whose fields have the given values; None means any."""
        with self._engine.connect() as connection:
            return rows.find(connection, kind, **where)

    def get(self, kind: type[R], name: str) -> R:
        """Return the record of a kind with an id.

        Raises:
            WorkspaceError: there is none.

        """
        with self._engine.connect() as connection:
            found = rows.find(connection, kind, id=name)
        if not found:
            raise WorkspaceError(f"{self.path}: no {kind.__name__} {name} in this workspace")
        return found[0]

    def clips(self, *, identity: str | None = None, origin: str | None = None) -> list[ClipEntry]:
        """Return what is known of the clips, those of a person or an origin."""
        return self.find(ClipEntry, identity=identity, origin=origin)

    def conditions(self) -> list[Condition]:
        """Return all conditions."""
        return self.find(Condition)

    def samples(
        self, *, condition: str | None = None, checkpoint: str | None = None
    ) -> list[Sample]:
        """Return the samples, those of a condition or checkpoint."""
        return self.find(Sample, condition=condition, checkpoint=checkpoint)

    def scores(
        self,
        *,
        clip: str | None = None,
        reward: str | None = None,
        condition: str | None = None,
        superseded: bool = False,
    ) -> list[Score]:
        """Return the current scores, or with `superseded` all that were ever given, in order."""
        with self._engine.connect() as connection:
            where = {"clip": clip, "reward": reward, "condition": condition}
            if superseded:
                return rows.find(connection, Score, **where)
            return rows.current_scores(connection, **where)

    def pairs(self, *, condition: str | None = None, source: str | None = None) -> list[Pair]:
        """Return the pairs, those of a condition or a source."""
        return self.find(Pair, condition=condition, source=source)

    def runs(self, *, kind: str | None = None, state: RunState | None = None) -> list[Run]:
        """Return the runs, the oldest first."""
        return self.find(Run, kind=kind, state=state)

    def checkpoints(self, *, run: str | None = None) -> list[Checkpoint]:
        """Return the checkpoints, those of a run."""
        return self.find(Checkpoint, run=run)

    def consents(self, identity: str) -> list[Consent]:
        """Return a person's consents, the oldest first."""
        return self.find(Consent, identity=identity)
