"""Boards of a workspace, and the cases behind their numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from likeness.benchmark.board import Board
from likeness.benchmark.grid import Grid
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.sheets import read_measurements
from likeness.benchmark.suite import Case, Suite
from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    import pandas as pd

FOLDER, ROWS, BOARD, SUITE = "boards", "measurements.parquet", "board.json", "suite.json"
_MOST = 200  # boards of a list


@dataclass(frozen=True, kw_only=True)
class Shelved:
    """A board in a list: its name, and a text that changes with its files."""

    name: str
    state: str


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


def measurements(place: Path) -> "pd.DataFrame | None":
    """Read the rows behind a board; None where they were not kept.

    Raises:
        LikenessError: the table is broken.

    """
    return read_measurements(place / ROWS) if (place / ROWS).is_file() else None


def board_of(place: Path, rows: "pd.DataFrame | None") -> Board:
    """Read a board, or build it from its rows.

    Raises:
        BoardError: it can't be read, and there are no rows to build it from.

    """
    if rows is not None and not (place / BOARD).is_file():
        return Board.build(Grid(rows), [], {})
    return Board.load(place / BOARD)


def against(rows: "pd.DataFrame", a: str, b: str) -> Board:
    """Build the board of two systems, with their difference."""
    return Board.build(Grid(rows[rows["system"].isin([a, b])]), [(a, b)], {})


def case_of(place: Path, case: str) -> Case | None:
    """Find a case in the suite beside a board; None without a suite.

    Raises:
        SuiteError: the suite is broken.

    """
    if not (place / SUITE).is_file():
        return None
    return next((one for one in Suite.load(place / SUITE).cases if one.id == case), None)


def differing(
    rows: "pd.DataFrame", metric: str, a: str, b: str, *, most: int = 50
) -> list[Differing]:
    """List the cases in which two systems differ most, the greatest difference first."""
    mine = rows[(rows["metric"] == metric) & rows["value"].notna()]
    columns = ["case", "identity", "value", "clip"]
    one, other = (mine.loc[mine["system"] == system, columns] for system in (a, b))
    both = one.merge(other.drop(columns="identity"), on="case", suffixes=("_a", "_b"))
    both["gain"] = METRICS[metric].gain(1.0) * (both["value_a"] - both["value_b"])
    both["size"] = both["gain"].abs()
    most_first = both.sort_values(["size", "case"], ascending=[False, True]).head(most)
    return [
        Differing(
            case=str(row.case),
            identity=str(row.identity),
            a=float(row.value_a),
            b=float(row.value_b),
            gain=float(row.gain),
            clip_a=str(row.clip_a),
            clip_b=str(row.clip_b),
        )
        for row in most_first.itertuples()
    ]
