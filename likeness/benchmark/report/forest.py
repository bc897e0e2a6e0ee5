"""Intervals as pictures: a whisker in each cell of the board, a forest plot of the changes."""

import math
from collections.abc import Sequence

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference, Row
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.report.svg import element
from likeness.benchmark.wording import percent, reading, relative

CELL = (92, 10)
PLOT = (260, 26)
LIMITS = (0.025, 0.05, 0.10, 0.20, 0.50, 1.0)


def whisker(row: Row, scale: tuple[float, float]) -> str:
    """Draw a cell's value and interval on the scale of its column."""
    width, height = CELL
    low, high = scale

    def x(value: float) -> float:
        return 3 + (value - low) / (high - low) * (width - 6)

    mid = height / 2
    marks = element("line", class_="track", x1=0, x2=width, y1=mid, y2=mid)
    if not math.isnan(row.low):
        ends = {"x1": x(row.low), "x2": x(row.high)}
        marks += element("line", class_="ci", y1=mid, y2=mid, **ends)
    marks += element("circle", class_="dot", cx=x(row.value), cy=mid, r=2.6)
    return _picture(marks, CELL, "whisker")


def limit(shares: Sequence[tuple[float, float, float]]) -> float:
    """Half the width of the forest's axis: round, and wide enough for most intervals."""
    reach = sorted(
        max(abs(part) for part in share if not math.isnan(part)) for share in shares if share
    )
    if not reach:
        return LIMITS[0]
    most = reach[min(len(reach) - 1, math.ceil(0.75 * len(reach)) - 1)]
    return next((edge for edge in LIMITS if most <= edge), LIMITS[-1])


def axis(edge: float, tolerance: float) -> str:
    """Draw the forest's head: worse on the left, better on the right, in per cent."""
    width, height = PLOT
    marks = ""
    places = [(-edge, "start"), (0.0, "middle"), (edge, "end")]
    if tolerance < edge / 2:
        places.append((-tolerance, "middle"))
    for value, anchor in places:
        shown = percent(value).replace(".0 ", " ") if value else "0"
        marks += element(
            "text", shown, x=_place(value, edge), y=height - 4,
            text_anchor=anchor,
        )  # fmt: skip
    marks += element("text", "← worse", class_="side", x=_place(-edge, edge), y=9)
    marks += element(
        "text", "better →", class_="side", x=_place(edge, edge), y=9, text_anchor="end"
    )
    return _picture(marks, (width, height), "axis")


def change(board: Board, difference: Difference, edge: float, tolerance: float | None) -> str:
    """Draw one difference as a share of the earlier value, better to the right.

    Args:
        board: holds the value before.
        difference: what to draw; nothing but the grid where it has no share.
        edge: half the axis, as a share; what lies beyond gets an arrow.
        tolerance: where given, the allowed loss is drawn as a line.

    """
    width, height = PLOT
    mid = height / 2
    marks = element("line", class_="zero", x1=width / 2, x2=width / 2, y1=0, y2=height)
    if tolerance is not None and tolerance <= edge:
        x = _place(-tolerance, edge)
        marks += element("line", class_="allowed", x1=x, x2=x, y1=0, y2=height)
    share = relative(board, difference)
    if share is None:
        return _picture(marks, PLOT, "forest")
    gain = METRICS[difference.metric].gain
    value, (low, high) = gain(share[0]), sorted((gain(share[1]), gain(share[2])))
    if not math.isnan(low):
        ends = {"x1": _place(low, edge), "x2": _place(high, edge)}
        marks += element("line", class_="ci", y1=mid, y2=mid, **ends)
        marks += _arrow(-1, mid) if low < -edge else ""
        marks += _arrow(1, mid) if high > edge else ""
    if abs(value) <= edge:
        marks += element("circle", class_="dot", cx=_place(value, edge), cy=mid, r=4.2)
    return _picture(marks, PLOT, f"forest {reading(difference).replace(' ', '-')}")


def _place(value: float, edge: float) -> float:
    half = PLOT[0] / 2
    return half + min(max(value / edge, -1), 1) * (half - 6)


def _arrow(side: int, mid: float) -> str:
    tip = PLOT[0] if side > 0 else 0
    back = tip - side * 7
    return element("path", class_="arrow", d=f"M{tip} {mid}L{back} {mid - 4}V{mid + 4}Z")


def _picture(marks: str, size: tuple[int, int], name: str) -> str:
    width, height = size
    box = f"0 0 {width} {height}"
    return element(
        "svg", marks, class_=name, viewBox=box, width=width, height=height, aria_hidden="true"
    )
