import re

from likeness.benchmark.board import Board
from likeness.benchmark.export.layout import Sheet, notes, sheets

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "−": "$-$",
    "—": "---",
}


def document(board: Board, sort: str) -> str:
    """Write a board as LaTeX tables to put into a paper that uses the booktabs package."""
    parts = [_table(sheet) for sheet in sheets(board, sort)]
    lines = [f"% {line}" for line in notes(board)]
    return "\n\n".join(["% needs \\usepackage{booktabs}", *parts, *lines]) + "\n"


def escape(text: str) -> str:
    """Write plain text so that LaTeX sets it as it is."""
    return re.sub("|".join(map(re.escape, _SPECIAL)), lambda found: _SPECIAL[found[0]], text)


def _table(sheet: Sheet) -> str:
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape(' '.join([f'{sheet.title}.', sheet.note]).strip())}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(sheet.headings) - 1)}}}",
        r"\toprule",
        _row(sheet.headings, frozenset()),
        r"\midrule",
    ]
    for i, row in enumerate(sheet.rows):
        lines.append(_row(row, frozenset(j for place, j in sheet.best if place == i)))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"])


def _row(texts: tuple[str, ...], bold: frozenset[int]) -> str:
    cells = [
        rf"\textbf{{{escape(text)}}}" if j in bold else escape(text) for j, text in enumerate(texts)
    ]
    return " & ".join(cells) + r" \\"
