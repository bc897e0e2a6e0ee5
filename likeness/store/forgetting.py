"""Removing a person from a workspace."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.store import rows, tables
from likeness.store.content import address
from likeness.store.database import WorkspaceError, in_batches
from likeness.store.record import content_id, now
from likeness.store.records import Checkpoint, Condition, Run, Sample

CACHE = "cache"
VIEWS = Path("annotation", "media")

_TEXTS = frozenset({".json", ".jsonl", ".toml", ".html", ".csv", ".txt", ".md"})


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What `forget` removed and what it can't mend.

    Attributes:
        tombstone: the hash that stands for the person from now on.
        clips: ids of removed clips, the person's and those generated from them.
        samples: ids of removed samples.
        arrays: ids of removed arrays (latents, embeddings and other caches).
        checkpoints: ids of checkpoints that learnt from the person; marked, not removed.
        mentions: files of runs, boards and studies that still name a removed clip or the person.

    """

    tombstone: str
    clips: tuple[str, ...]
    samples: tuple[str, ...]
    arrays: tuple[str, ...]
    checkpoints: tuple[str, ...]
    mentions: tuple[Path, ...]


@dataclass(kw_only=True)
class _Traces:
    clips: set[str]
    conditions: set[str] = field(default_factory=set)
    samples: set[str] = field(default_factory=set)
    latents: set[str] = field(default_factory=set)


def tombstone_of(identity: str) -> str:
    """Return the hash that stands for a forgotten person."""
    return content_id(["forgotten", identity])


def refuse_forgotten(connection: Connection, identity: str | None) -> None:
    """Keep a forgotten person out.

    Raises:
        WorkspaceError: the person was forgotten and has given no consent since.

    """
    if identity is None:
        return
    stone = tables.tombstones
    when = connection.scalar(sa.select(stone.c.created).where(stone.c.id == tombstone_of(identity)))
    consents = tables.consents
    again = sa.select(consents.c.id).where(
        consents.c.identity == identity, consents.c.created > (when or "")
    )
    if when is not None and connection.execute(again).first() is None:
        raise WorkspaceError(
            f"{identity} was forgotten on {when[:10]}; record a new consent before adding clips"
        )


def forget(
    connection: Connection, folder: Path, identity: str, *, elsewhere: bool = False
) -> Forgotten:
    """Remove a person's clips, what was generated from them, and every cache of either.

    What was found in clips (`cache/`) goes altogether: it doesn't say whom it shows, and is found
    again when it is wanted.

    Files go before rows, so that forgetting that was cut off is finished by doing it again.

    ``elsewhere`` says that the person was in data beside the workspace, so that the tombstone is
    wanted here even if nothing else is.

    Raises:
        WorkspaceError: nobody of that name was ever in the workspace, nor elsewhere.

    """
    clips, arrays = tables.clips, tables.arrays
    stone = tombstone_of(identity)
    traces = _traces(connection, identity)
    learnt = _runs_from(connection, identity)
    own = sa.select(arrays.c.id).where(arrays.c.identity == identity)
    doomed = set(connection.scalars(own)) | traces.latents
    doomed |= _ids(connection, arrays, "clip", traces.clips)
    here = traces.clips or doomed or learnt or _known(connection, identity, stone)
    if not (here or elsewhere):
        raise WorkspaceError(f"{folder}: nobody called {identity!r} is in this workspace")
    for entry in _in(connection, clips, "id", traces.clips):
        address(folder / "clips", entry.id, entry.suffix).unlink(missing_ok=True)
    for name in doomed:
        address(folder / "arrays", name, ".npz").unlink(missing_ok=True)
    if (folder / CACHE).is_dir():
        shutil.rmtree(folder / CACHE)
    _remove_views(connection, folder, traces)
    _remove_rows(connection, folder, traces, doomed)
    checkpoints = _mark(connection, learnt, identity, stone)
    consents = tables.consents
    connection.execute(sa.delete(consents).where(consents.c.identity == identity))
    _bury(connection, stone, traces, checkpoints)
    return Forgotten(
        tombstone=stone,
        clips=tuple(sorted(traces.clips)),
        samples=tuple(sorted(traces.samples)),
        arrays=tuple(sorted(doomed)),
        checkpoints=tuple(sorted(checkpoints)),
        mentions=_mentions(folder, {identity, *traces.clips}),
    )


def _remove_views(connection: Connection, folder: Path, traces: _Traces) -> None:
    """Remove the files that raters saw the person in; what they said of them stays."""
    comparisons, assignments = tables.comparisons, tables.assignments
    shown = _ids(connection, comparisons, "condition", traces.conditions)
    for side in ("first", "second"):
        shown |= _ids(connection, comparisons, side, traces.clips)
    seen = set()
    for view in _in(connection, assignments, "comparison", shown):
        seen |= {view.media, view.reference}
    for path in (folder / VIEWS).glob("*/*.mp4"):
        if path.stem in seen:
            path.unlink(missing_ok=True)


def _traces(connection: Connection, identity: str) -> _Traces:
    """Follow a person's clips through conditions to samples, and on where those were used."""
    clips = tables.clips
    own = sa.select(clips.c.id).where(clips.c.identity == identity)
    traces = _Traces(clips=set(connection.scalars(own)))
    conditions = rows.find(connection, Condition)
    samples = rows.find(connection, Sample)
    before = -1
    while before != len(traces.clips):
        before = len(traces.clips)
        for condition in conditions:
            if traces.clips & {condition.driving, condition.target, *condition.references}:
                traces.conditions.add(condition.id)
        for sample in samples:
            if sample.condition in traces.conditions or sample.clip in traces.clips:
                traces.samples.add(sample.id)
                traces.clips.add(sample.clip)
                if sample.latents is not None:
                    traces.latents.add(sample.latents)
    return traces


def _remove_rows(connection: Connection, folder: Path, traces: _Traces, arrays: set[str]) -> None:
    t = tables
    scenes = {row.background for row in _in(connection, t.conditions, "id", traces.conditions)}
    for table, column, values in (
        (t.scores, "clip", traces.clips),
        (t.scores, "condition", traces.conditions),
        (t.pairs, "winner", traces.samples),
        (t.pairs, "loser", traces.samples),
        (t.pairs, "condition", traces.conditions),
        (t.samples, "id", traces.samples),
        (t.conditions, "id", traces.conditions),
        (t.arrays, "id", arrays),
        (t.clips, "id", traces.clips),
    ):
        for some in in_batches(values):
            connection.execute(sa.delete(table).where(table.c[column].in_(some)))
    unused = scenes - set(connection.scalars(sa.select(t.conditions.c.background)))
    for name in unused:
        address(folder / "clips", name, ".png").unlink(missing_ok=True)
        connection.execute(sa.delete(t.backgrounds).where(t.backgrounds.c.id == name))


def _runs_from(connection: Connection, identity: str) -> set[str]:
    """Return the runs that learnt from a person, by their data or from an earlier run."""
    runs = rows.find(connection, Run)
    run_of = {c.id: c.run for c in rows.find(connection, Checkpoint)}
    learnt = {run.id for run in runs if identity in run.identities}
    before = -1
    while before != len(learnt):
        before = len(learnt)
        learnt |= {run.id for run in runs if run.parent and run_of.get(run.parent) in learnt}
    return learnt


def _mark(connection: Connection, learnt: set[str], identity: str, stone: str) -> list[str]:
    """Replace the person by the tombstone in runs, and mark the runs' checkpoints."""
    runs, checkpoints = tables.runs, tables.checkpoints
    for row in _in(connection, runs, "id", learnt):
        names = [stone if name == identity else name for name in row.identities]
        connection.execute(sa.update(runs).where(runs.c.id == row.id).values(identities=names))
    marked = _in(connection, checkpoints, "run", learnt)
    for row in marked:
        stones = sorted({*row.forgotten, stone})
        statement = sa.update(checkpoints).where(checkpoints.c.id == row.id)
        connection.execute(statement.values(forgotten=stones))
    return [row.id for row in marked]


def _known(connection: Connection, identity: str, stone: str) -> bool:
    consents, stones = tables.consents, tables.tombstones
    return (
        connection.execute(
            sa.union_all(
                sa.select(consents.c.id).where(consents.c.identity == identity),
                sa.select(stones.c.id).where(stones.c.id == stone),
            )
        ).first()
        is not None
    )


def _bury(connection: Connection, stone: str, traces: _Traces, checkpoints: list[str]) -> None:
    stones = tables.tombstones
    connection.execute(sa.delete(stones).where(stones.c.id == stone))
    connection.execute(
        sa.insert(stones).values(
            id=stone,
            created=now(),
            clips=len(traces.clips),
            samples=len(traces.samples),
            checkpoints=len(checkpoints),
        )
    )


def _mentions(folder: Path, names: set[str]) -> tuple[Path, ...]:
    found = []
    for place in ("runs", "boards", "studies"):
        for path in sorted((folder / place).rglob("*")):
            if path.suffix in _TEXTS and path.is_file():
                text = path.read_text(encoding="utf-8", errors="replace")
                if any(name in text or json.dumps(name) in text for name in names):
                    found.append(path)
    return tuple(found)


def _ids(connection: Connection, table: sa.Table, column: str, values: set[str]) -> set[str]:
    return {row.id for row in _in(connection, table, column, values)}


def _in(connection: Connection, table: sa.Table, column: str, values: set[str]) -> list[sa.Row]:
    found: list[sa.Row] = []
    for some in in_batches(values):
        found.extend(connection.execute(sa.select(table).where(table.c[column].in_(some))))
    return found
