"""A board as tables of plain text, which every written form prints in its own way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference, Row
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.published.rows import MARK, tables
from likeness.benchmark.systems import label
from likeness.benchmark.wording import chance_text, interval_text, reading, signed

ARROWS = {"higher": " ↑", "lower": " ↓", None: ""}


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A table of text.

    Attributes:
        title: what it shows.
        headings: of its columns; the first column is text, the others are numbers.
        rows: as many fields each.
        best: (row, column) of values whose rank interval begins at 1.
        note: how to read it.

    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    best: frozenset[tuple[int, int]] = frozenset()
    note: str = ""


def sheets(board: Board, sort: str) -> list[Sheet]:
    """Lay out everything that a board shows.

    Args:
        board: the numbers.
        sort: metric by whose worse end systems are sorted.

    """
    laid = [_leaderboard(board, sort)]
    laid += [
        _compared(board, a, b) for a, b in dict.fromkeys((d.a, d.b) for d in board.differences)
    ]
    if board.people:
        laid.append(_agreement(board))
    laid += [
        Sheet(
            title=f"{table.title}: {MARK}",
            headings=("system (protocol)", *table.headings[2:]),
            rows=tuple((f"{r[0]} ({r[1]})", *(t or "—" for t in r[2:])) for r in table.rows),
        )
        for table in tables(board.published)
    ]
    return laid


def notes(board: Board) -> list[str]:
    """Say what is missing and what was withdrawn, a sentence each."""
    gone = [
        f"{label(one['system'])} was withdrawn: {one['reason']} ({one['by']}, {one['created']})"
        for one in board.withdrawn
    ]
    return [*board.gaps(), *gone]


def _leaderboard(board: Board, sort: str) -> Sheet:
    votes = {s["system"]: s for s in board.people["systems"]} if board.people else {}
    systems = board.order(sort if sort in board.metrics else next(iter(board.metrics), ""))
    rows, best = [], set()
    for number, system in enumerate(systems):
        cells = [label(system)]
        if board.people:
            cells.append(_voted(votes.get(system)))
        for name in board.metrics:
            row = board.row(system, name)
            if row is not None and row.rank_low == 1:
                best.add((number, len(cells)))
            cells.append(_cell(row))
        rows.append(tuple(cells))
    people = ("People",) if board.people else ()
    return Sheet(
        title="Board",
        headings=(
            "",
            *people,
            *(METRICS[n].label + ARROWS[METRICS[n].better] for n in board.metrics),
        ),
        rows=tuple(rows),
        best=frozenset(best),
        note="Means with 95 % intervals over people; after # the rank interval; sorted by the "
        "worse end of the interval. In bold what may be the best.",
    )


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if math.isnan(row.value):
        return f"all {row.missing} missing"
    digits = METRICS[row.metric].digits
    text = f"{row.value:.{digits}f}"
    if not math.isnan(row.low):
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    text += f" #{row.ranks}" if row.ranks else ""
    text += f", {row.missing} of {row.cases} missing" if row.missing else ""
    return f"{text}, provisional" if row.provisional else text


def _voted(standing: dict | None) -> str:
    if standing is None:
        return "no votes"
    low, high = standing["rank_low"], standing["rank_high"]
    ranks = f"{low}" if low == high else f"{low}-{high}"
    return f"{standing['score']:.2f} [{standing['low']:.2f}, {standing['high']:.2f}] #{ranks}"


def _compared(board: Board, a: str, b: str) -> Sheet:
    rows = []
    for difference in board.compared(a, b):
        cases, missing = board.pair(difference)
        rows.append(
            (
                METRICS[difference.metric].label,
                _change(difference),
                chance_text(difference.p_holm),
                f"{cases - missing} of {cases}" if missing else f"{cases}",
                reading(difference),
            )
        )
    return Sheet(
        title=f"{label(a)} against {label(b)}",
        headings=("", "change", "p (Holm)", "cases", "reading"),
        rows=tuple(rows),
        note="Paired over cases, 95 % intervals over people, Holm's correction over the "
        "comparisons of a metric.",
    )


def _change(difference: Difference) -> str:
    return "—" if math.isnan(difference.value) else interval_text(difference)


def _agreement(board: Board) -> Sheet:
    rows: Sequence[tuple[str, ...]] = [
        (METRICS[f["metric"]].label, "—", "—", "—", f["reason"])
        if f["reason"]
        else (
            METRICS[f["metric"]].label,
            signed(f["rho"], 2),
            signed(f["tau"], 2),
            chance_text(f["p"]),
            str(f["systems"]),
        )
        for f in (board.people or {}).get("agreement", ())
    ]
    return Sheet(
        title="Rank correlation of metrics with people",
        headings=("", "Spearman", "Kendall", "p", "systems"),
        rows=tuple(rows),
    )
