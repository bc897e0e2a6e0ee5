"""How rewards are distributed: counted and summed by the database."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from likeness.dashboards.reading.samples import current
from likeness.store import tables

BINS = 30
DOTS = 1500  # of a scatter: more are not told apart


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many samples have which values.

    Attributes:
        low: where the first bin begins.
        width: of each bin.
        counts: of each checkpoint, by bin.
        missing: samples that were scored and have a reason instead of a value.

    """

    low: float
    width: float
    counts: dict[str, list[int]]
    missing: int


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A pair in a scatter: the values of its loser and winner, and the winner's sample."""

    loser: float
    winner: float
    sample: str


def histogram(connection: Connection, reward: str, checkpoints: tuple[str, ...]) -> Histogram:
    """Count the values of a reward in even bins, by checkpoint."""
    (scored, same), s = current(reward), tables.samples
    rows = (
        sa.select(scored.c.value, s.c.checkpoint)
        .select_from(s)
        .join(scored, same)
        .where(s.c.checkpoint.in_(checkpoints))
        .cte()
    )
    total = sa.func.count()
    found = connection.execute(
        sa.select(
            sa.func.min(rows.c.value), sa.func.max(rows.c.value), total, sa.func.count(rows.c.value)
        )
    ).one()
    low, high, asked, known = found
    if low is None:
        return Histogram(low=0.0, width=1.0, counts={}, missing=asked)
    width = (high - low) / BINS or 1.0
    place = sa.func.floor((rows.c.value - low) / width).label("place")
    counted = connection.execute(
        sa.select(rows.c.checkpoint, place, total)
        .where(rows.c.value.is_not(None))
        .group_by(rows.c.checkpoint, place)
    )
    counts: dict[str, list[int]] = {name: [0] * BINS for name in checkpoints}
    for checkpoint, bin_, number in counted:
        counts[checkpoint][min(int(bin_), BINS - 1)] += number
    shown = {name: row for name, row in counts.items() if any(row)}
    return Histogram(low=low, width=width, counts=shown, missing=asked - known)


def pair_sources(connection: Connection) -> list[str]:
    """List what judged the pairs."""
    source = tables.pairs.c.source
    return list(connection.scalars(sa.select(source).distinct().order_by(source).limit(100)))


def pair_dots(connection: Connection, reward: str, source: str) -> list[Dot]:
    """Return the reward of winners against losers, of some pairs drawn by their hash."""
    pairs = tables.pairs
    rows = connection.execute(
        sa.select(pairs.c.scores, pairs.c.winner)
        .where(pairs.c.source == source)
        .order_by(pairs.c.id)
        .limit(DOTS)
    )
    dots = []
    for scores, winner in rows:
        values = [_number(scores, side, reward) for side in ("winner", "loser")]
        if values[0] is not None and values[1] is not None:
            dots.append(Dot(winner=values[0], loser=values[1], sample=winner))
    return dots


def _number(scores: dict[str, Any], side: str, reward: str) -> float | None:
    of_side = scores.get(side)
    value = of_side.get(reward) if isinstance(of_side, dict) else None
    return float(value) if isinstance(value, int | float) else None
