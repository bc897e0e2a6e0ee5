"""Boards of a workspace, and the cases behind their numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from likeness.benchmark.board import Board
from likeness.benchmark.measurements import Grid, Measurement
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.sheets import read_measurements
from likeness.benchmark.statistics import paired_difference
from likeness.benchmark.suite import Case, Suite
from likeness.store.errors import LikenessError

FOLDER, ROWS, BOARD, SUITE = "boards", "measurements.parquet", "board.json", "suite.json"
_MOST = 200  # boards of a list


@dataclass(frozen=True, kw_only=True)
class Shelved:
    """A board in a list: its name, and a text that changes with its files."""

    name: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Rank:
    """A system's place by one metric.

    Attributes:
        system: its key.
        best: the best place that the intervals of the paired differences leave open.
        worst: the worst.

    """

    system: str
    best: int
    worst: int


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A case in which two systems differ."""

    case: str
    identity: str
    a: float
    b: float
    gain: float
    clip_a: str
    clip_b: str


def boards(workspace: Path) -> list[Shelved]:
    """List the boards of a workspace, the newest first."""
    folder = workspace / FOLDER
    found = []
    for place in {path.parent for name in (ROWS, BOARD) for path in folder.rglob(name)}:
        stats = [p.stat() for n in (ROWS, BOARD) if (p := place / n).is_file()]
        newest = max(stat.st_mtime for stat in stats)
        state = " ".join(f"{stat.st_mtime_ns}-{stat.st_size}" for stat in stats)
        name = place.relative_to(folder).as_posix()
        found.append((newest, Shelved(name=name, state=state)))
    return [shelved for _, shelved in sorted(found, key=lambda one: -one[0])][:_MOST]


def place_of(workspace: Path, name: str) -> Path:
    """Return a board's folder.

    Raises:
        LikenessError: no board of that name.

    """
    if name not in {shelved.name for shelved in boards(workspace)}:
        raise LikenessError(f"no board {name!r} here; choose one from the list")
    return workspace / FOLDER / name


def measurements(place: Path) -> list[Measurement]:
    """Read the rows behind a board; none where they were not kept.

    Raises:
        LikenessError: the table is broken.

    """
    return read_measurements(place / ROWS) if (place / ROWS).is_file() else []


def board_of(place: Path, rows: Sequence[Measurement]) -> Board:
    """Read a board, or build it from its rows.

    Raises:
        BoardError: it can't be read, and there are no rows to build it from.

    """
    if rows and not (place / BOARD).is_file():
        return Board.build(rows, [], {})
    return Board.load(place / BOARD)


def case_of(place: Path, case: str) -> Case | None:
    """Find a case in the suite beside a board; None without a suite.

    Raises:
        SuiteError: the suite is broken.

    """
    if not (place / SUITE).is_file():
        return None
    return next((one for one in Suite.load(place / SUITE).cases if one.id == case), None)


def ranks(rows: Sequence[Measurement], metric: str, systems: Sequence[str]) -> list[Rank]:
    """Rank systems by a metric.

    A system can be as good as one place behind all that are better than it by the whole interval
    of their paired difference, and as bad as one place before all that are worse.
    """
    grid = Grid(rows)
    measured = [name for name in systems if grid.has(name, metric)]
    gain = METRICS[metric].gain
    better = dict.fromkeys(measured, 0)
    worse = dict(better)
    for place, a in enumerate(measured):
        for b in measured[place + 1 :]:
            found = paired_difference(
                grid.values(a, metric), grid.values(b, metric), grid.identities
            )
            if math.isnan(found.low):
                continue
            low, high = sorted((gain(found.low), gain(found.high)))
            if low > 0:
                worse[a], better[b] = worse[a] + 1, better[b] + 1
            elif high < 0:
                better[a], worse[b] = better[a] + 1, worse[b] + 1
    count = len(measured)
    return [Rank(system=n, best=1 + better[n], worst=count - worse[n]) for n in measured]


def differing(
    rows: Sequence[Measurement], metric: str, a: str, b: str, *, most: int = 50
) -> list[Differing]:
    """List the cases in which two systems differ most, the greatest difference first."""
    of = {(r.system, r.case): r for r in rows if r.metric == metric and r.system in (a, b)}
    found = []
    for case in dict.fromkeys(case for _, case in of):
        one, other = of.get((a, case)), of.get((b, case))
        if one is None or other is None or math.isnan(one.value - other.value):
            continue
        found.append(
            Differing(
                case=case,
                identity=one.identity,
                a=one.value,
                b=other.value,
                gain=METRICS[metric].gain(one.value - other.value),
                clip_a=one.clip,
                clip_b=other.clip,
            )
        )
    return sorted(found, key=lambda row: (-abs(row.gain), row.case))[:most]
