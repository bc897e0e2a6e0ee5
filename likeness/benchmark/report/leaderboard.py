"""The table of systems and metrics, sorted by the worse end of the intervals."""

import math
from html import escape
from typing import Any

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Row
from likeness.benchmark.report import forest
from likeness.benchmark.report.parts import heading, number, section
from likeness.benchmark.report.svg import element, span
from likeness.benchmark.systems import SYSTEMS, label

LEAD = (
    "Mean over all cases, with the 95 % interval over people under it as numbers and as a line; "
    "each column has one scale. A rank interval is what tests between all pairs, corrected by "
    "Holm, leave open. Systems are sorted by the worse end of the interval: a heading sorts by its "
    "column."
)


def draw(board: Board, sort: str) -> str:
    """Write the section of the board.

    Args:
        board: the numbers.
        sort: metric by whose worse end systems are sorted at first; the board's first metric
            where it has no such.

    """
    metrics = board.metrics
    by = sort if sort in metrics else next(iter(metrics), "")
    scales = {
        name: span(
            [edge for row in board.rows if row.metric == name
             for edge in (row.value, row.low, row.high)]
        )
        for name in metrics
    }  # fmt: skip
    heads = ([_head("people", "People")] if board.people else []) + [
        _head(name, heading(name), name == by) for name in metrics
    ]
    votes = {s["system"]: s for s in board.people["systems"]} if board.people else {}
    groups: dict[str, str] = {"Checkpoints": "", "Controls": ""}
    for system in board.order(by):
        known = SYSTEMS.get(system)
        name = element("b", escape(label(system)))
        name += element("small", escape(known.caption)) if known else ""
        cells = _voted(votes.get(system)) if board.people else ""
        cells += "".join(_cell(board.row(system, m), scales[m]) for m in metrics)
        group = "Controls" if known and known.control else "Checkpoints"
        groups[group] += element("tr", element("th", name, scope="row") + cells)
    shown = {group: rows for group, rows in groups.items() if rows}
    bodies = ""
    for group, rows in shown.items():
        title = element("th", group, colspan=len(heads) + 1, scope="rowgroup")
        head = element("tr", title, class_="group") if len(shown) > 1 else ""
        bodies += element("tbody", head + rows)
    top = element("thead", element("tr", element("td") + "".join(heads)))
    table = element("table", top + bodies, class_="board")
    body = element("div", table, class_="scroll") + _absent(board)
    return section("board", "Board", LEAD, body)


def _head(name: str, text: str, sorted_by: bool = False) -> str:
    button = element("button", text, type="button", class_="sort", data_metric=name)
    order = "descending" if sorted_by else None
    return element("th", button, scope="col", aria_sort=order)


def _cell(row: Row | None, scale: tuple[float, float]) -> str:
    if row is None:
        return element("td", "", class_="num")
    if math.isnan(row.value):
        text = element("b", "—") + element("small", f"all {row.missing} missing", class_="lost")
        return element("td", text, class_="num")
    known = not math.isnan(row.low)
    ends = f"{number(row.low, row.metric)} – {number(row.high, row.metric)}"
    text = element("b", number(row.value, row.metric))
    text += element("small", ends if known else "one person: no interval")
    text += forest.whisker(row, scale)
    if row.ranks:
        text += element("small", f"rank {row.ranks}", class_="rank")
    if row.missing:
        text += element("small", f"{row.missing} of {row.cases} missing", class_="lost")
    if row.provisional:
        people = "1 person" if row.people == 1 else f"{row.people} people"
        text += element("small", f"provisional: {people}", class_="lost")
    bound = None if math.isinf(row.bound) else f"{row.bound:.12g}"
    return element("td", text, class_="num", data_bound=bound)


def _voted(standing: dict[str, Any] | None) -> str:
    """Write what people's votes say of a system; a system without votes has an empty field."""
    if standing is None:
        return element("td", element("small", "no votes"), class_="num")
    low, high = standing["rank_low"], standing["rank_high"]
    text = element("b", f"{standing['score']:.2f}")
    text += element("small", f"{standing['low']:.2f} – {standing['high']:.2f}")
    text += element("small", f"rank {low}" if low == high else f"rank {low}-{high}", class_="rank")
    text += element("small", f"{standing['votes']:,} votes")
    return element("td", text, class_="num", data_bound=f"{standing['low']:.12g}")


def _absent(board: Board) -> str:
    notes = "".join(element("li", escape(line)) for line in board.gaps())
    if not notes:
        return element("p", "No value is missing.", class_="quiet")
    return element("ul", notes, class_="quiet")
