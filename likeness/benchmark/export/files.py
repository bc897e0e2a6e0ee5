"""Every form of a board, by the name of its file."""

import json
from collections.abc import Callable
from pathlib import Path

from likeness.benchmark.board import Board
from likeness.benchmark.export import latex, markdown
from likeness.benchmark.report import Report
from likeness.benchmark.sheets import write_board
from likeness.store.atomic import write_bytes

Write = Callable[[Board, Path, str], None]


def _html(board: Board, path: Path, sort: str) -> None:
    page_of(board, sort).write(path)


def _markdown(board: Board, path: Path, sort: str) -> None:
    write_bytes(path, markdown.page(board, sort).encode())


def _latex(board: Board, path: Path, sort: str) -> None:
    write_bytes(path, latex.document(board, sort).encode())


def _sheet(board: Board, path: Path, sort: str) -> None:
    write_board(board, path)


def _manifest(board: Board, path: Path, sort: str) -> None:
    text = json.dumps(dict(board.manifest), indent=1, ensure_ascii=False, allow_nan=False)
    write_bytes(path, f"{text}\n".encode())


FORMS: dict[str, Write] = {
    "board.html": _html,
    "board.md": _markdown,
    "board.tex": _latex,
    "board.csv": _sheet,
    "board.parquet": _sheet,
    "manifest.json": _manifest,
}


def page_of(board: Board, sort: str) -> Report:
    """Lay a board out as a page of its own, with nothing to decide."""
    suite = board.manifest.get("suite")
    first = board.rows[0]
    setting = (
        f"{suite['cases']} cases of {suite['people']} people of suite {suite['name']} "
        f"({suite['hash'][:12]})."
        if suite
        else f"{first.cases} cases."
    )
    return Report(title="Leaderboard", setting=setting, board=board, compared=None, sort=sort)


def write_all(board: Board, folder: Path, sort: str) -> list[Path]:
    """Write a board in every form; returns where.

    Raises:
        DiskFullError: no room on the disk.

    """
    for name, write in FORMS.items():
        write(board, folder / name, sort)
    return [folder / name for name in FORMS]
