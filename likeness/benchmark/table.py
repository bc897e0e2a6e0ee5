"""The board on a terminal."""

import math
from collections.abc import Mapping
from io import StringIO

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Row
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.published.rows import MARK
from likeness.benchmark.systems import SYSTEMS, label
from likeness.benchmark.wording import chance_text, interval_text, percent, reading, relative

LABEL_WIDTH = 28
CELL_WIDTH = 17


def render(board: Board, width: int) -> Group:
    """Lay out the board for a terminal of `width` columns.

    Systems are rows, sorted by the worse end of the first metric's interval; metrics are columns,
    spread over as many tables as the width asks for. Each cell has its 95 % interval and its rank
    interval under it, and says how many cases are missing.
    """
    per_table = max(1, (width - LABEL_WIDTH) // CELL_WIDTH)
    metrics = board.metrics
    tables = [
        _systems(board, metrics[start : start + per_table])
        for start in range(0, len(metrics), per_table)
    ]
    compared = dict.fromkeys((d.a, d.b) for d in board.differences)
    notes = [Text(line, style="dim") for line in board.gaps()]
    notes += [Text(_withdrawal(one), style="dim") for one in board.withdrawn]
    if board.published:
        notes.append(Text(f"{len(board.published)} figures of papers stand beside it: {MARK}"))
    return Group(*tables, *notes, *(_changes(board, a, b) for a, b in compared))


def _withdrawal(one: Mapping[str, str]) -> str:
    return f"{label(one['system'])} was withdrawn: {one['reason']} ({one['by']})"


def text(board: Board, width: int = 120) -> str:
    """Write the board as plain text, for logs and files."""
    page = StringIO()
    Console(file=page, width=width, no_color=True, force_terminal=False).print(render(board, width))
    return page.getvalue()


def _systems(board: Board, metrics: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", max_width=LABEL_WIDTH)
    for name in metrics:
        arrow = {"higher": " ↑", "lower": " ↓", None: ""}[METRICS[name].better]
        table.add_column(METRICS[name].label + arrow, justify="right")
    for system in board.order(board.metrics[0]) if board.metrics else board.systems:
        cells = [_cell(board.row(system, name)) for name in metrics]
        bold = system in SYSTEMS and not SYSTEMS[system].control
        table.add_row(Text(label(system), style="bold" if bold else ""), *cells)
    return table


def _cell(row: Row | None) -> Text:
    if row is None:
        return Text("")
    digits = METRICS[row.metric].digits
    if math.isnan(row.value):
        return Text(f"—\nall {row.missing} missing", style="dim")
    cell = Text(f"{row.value:.{digits}f}\n")
    known = not math.isnan(row.low)
    cell.append(f"[{row.low:.{digits}f}, {row.high:.{digits}f}]" if known else "no interval", "dim")
    if row.ranks:
        cell.append(f"\nrank {row.ranks}")
    if row.provisional:
        cell.append(f"\nprovisional: {row.people} people", style="yellow")
    if row.missing:
        cell.append(f"\n{row.missing} of {row.cases} missing", style="yellow")
    return cell


def _changes(board: Board, a: str, b: str) -> Table:
    title = f"{label(a)} against {label(b)}, paired, 95 % interval over people"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", max_width=LABEL_WIDTH)
    for heading in ("change", "relative", "p (Holm)", "cases"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for difference in board.compared(a, b):
        share = relative(board, difference)
        cases, missing = board.pair(difference)
        word = reading(difference)
        table.add_row(
            METRICS[difference.metric].label,
            "—" if math.isnan(difference.value) else interval_text(difference),
            percent(share[0]) if share else "",
            chance_text(difference.p_holm),
            f"{cases - missing} of {cases}" if missing else str(cases),
            Text(word, style={"better": "blue", "worse": "yellow"}.get(word, "dim")),
        )
    return table
