from collections.abc import Sequence

from likeness.benchmark.board import Board
from likeness.benchmark.export.layout import Sheet, notes, sheets


def page(board: Board, sort: str) -> str:
    """Write a board as Markdown that also reads well on a terminal."""
    parts = []
    for sheet in sheets(board, sort):
        parts += [f"## {sheet.title}", table(sheet.headings, _bold(sheet))]
        parts += [sheet.note] if sheet.note else []
    if lines := notes(board):
        parts += ["## Missing and withdrawn", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _bold(sheet: Sheet) -> list[list[str]]:
    return [
        [f"**{text}**" if (i, j) in sheet.best else text for j, text in enumerate(row)]
        for i, row in enumerate(sheet.rows)
    ]


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table whose first column is text and whose others are numbers."""
    cells = [[text.replace("|", "\\|") for text in row] for row in (heading, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heading))]
    lines = [
        "| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |"
        for row in cells
    ]
    rule = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])
