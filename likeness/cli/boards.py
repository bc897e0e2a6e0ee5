"""Boards from rows: made, shown, verified, decided on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    from likeness.benchmark.board import Board

Folder = Annotated[Path, typer.Argument(metavar="BOARD", help="Folder of a board, or board.json.")]
Sort = Annotated[
    str, typer.Option(help="Metric by the worse end of whose interval systems are sorted.")
]
SORT = "identity_target"


def board(
    rows: Annotated[
        list[Path],
        typer.Argument(
            help="CSV or Parquet tables: system, case, identity, metric, value, reason, clip."
        ),
    ],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the board.")],
    suite: Annotated[
        Path | None, typer.Option(help="Frozen suite; a case without rows counts as missing.")
    ] = None,
    people: Annotated[
        Path | None, typer.Option(help="Votes between systems, as `benchmark arena` takes them.")
    ] = None,
    facts: Annotated[
        Path | None, typer.Option(help="JSON of hashes and versions, for the manifest.")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(metavar="A:B", help="Systems to compare; all by default.")
    ] = None,
    minimum: Annotated[
        int, typer.Option(help="People below which a value is provisional.", min=1)
    ] = 10,
    ties: Annotated[
        Literal["davidson", "rao-kupper", "half"],
        typer.Option(help="How votes' ties are modelled."),
    ] = "davidson",
    sort: Sort = SORT,
    as_json: AsJson = False,
) -> None:
    """Make a board of measurements: intervals, ranks, tests, in every form.

    The folder keeps the rows, so that the board can be made again, and gets board.json,
    board.html, board.md, board.tex, board.csv, board.parquet and manifest.json.
    """
    import shutil

    import pandas as pd

    from likeness.benchmark.folder import BoardFolder, Settings
    from likeness.benchmark.human import Arena
    from likeness.benchmark.sheets import read_measurements
    from likeness.benchmark.suite import Suite

    folder = BoardFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    if suite is not None:
        Suite.load(suite).freeze(folder.suite)
    if people is not None:
        shutil.copyfile(people, out / f"votes{people.suffix.lower()}")
    table = pd.concat([read_measurements(path) for path in rows], ignore_index=True)
    settings = Settings(
        comparisons=[_pair(text) for text in compare] if compare else None,
        minimum=minimum,
        arena=Arena(ties=ties),
    )
    _tell(folder.keep(table, _facts(facts), settings), out, sort, as_json)


def _pair(text: str) -> tuple[str, str]:
    from likeness.store import LikenessError

    a, colon, b = text.partition(":")
    if not (a and colon and b):
        raise LikenessError(f"--compare takes two systems as A:B, got {text!r}")
    return a, b


def _facts(path: Path | None) -> dict:
    import json

    from likeness.cli.revision import code_version
    from likeness.store import LikenessError

    if path is None:
        return {"code": code_version()}
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return {"code": code_version(), **told}
    except (OSError, ValueError, TypeError) as error:
        raise LikenessError(f"--facts {path} is no JSON object ({error})") from None


def _tell(made: "Board", folder: Path, sort: str, as_json: bool) -> None:
    import shutil

    from likeness.benchmark.export.files import write_all
    from likeness.benchmark.table import text

    paths = write_all(made, folder, sort)
    if as_json:
        say(made.to_json().rstrip())
        return
    say(text(made, max(100, shutil.get_terminal_size((120, 40)).columns)))
    say(f"{folder / 'board.json'}, {', '.join(path.name for path in paths)}")


def import_(
    table: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, or a packaged table: tavr, avatar_v.")
    ],
    *,
    board: Annotated[
        Path | None, typer.Option(help="Folder of the board to set them beside.")
    ] = None,
    sort: Sort = SORT,
    as_json: AsJson = False,
) -> None:
    """Read figures that a paper published; set them beside a board.

    They are shown apart as published, not measured here, and no test or rank takes them in.
    """
    from likeness.benchmark.folder import BoardFolder
    from likeness.benchmark.published.rows import MARK, read_published, tables

    found = read_published(table)
    if as_json:
        print_json([figure.to_dict() | {"value": figure.value} for figure in found])
    else:
        from likeness.benchmark.export.markdown import table as written

        for paper in tables(found):
            say(f"{paper.title}: {MARK}\n")
            say(written(paper.headings, paper.rows) + "\n")
    if board is not None:
        from likeness.benchmark.export.files import write_all

        folder = BoardFolder(board)
        write_all(folder.publish(table), folder.path, sort)


def verify(board: Folder, *, as_json: AsJson = False) -> None:
    """Rebuild a board from its rows and compare it to the last digit.

    Exits with 0 where all agrees, and with 1 where a cell differs or an input was edited.
    """
    from dataclasses import asdict

    from likeness.benchmark.folder import BoardFolder
    from likeness.benchmark.verification import verify

    found = verify(BoardFolder(board))
    if as_json:
        print_json(asdict(found))
    else:
        for problem in found.problems:
            say(problem)
        cells = f"{found.cells} cells and differences rebuilt"
        say(f"{cells}, all agree" if found.agrees else f"{cells}; the board is not what they give")
    if not found.agrees:
        raise typer.Exit(1)


def withdraw(
    board: Folder,
    system: Annotated[str, typer.Argument(help="Name of the system.")],
    *,
    reason: Annotated[str, typer.Option(help="Why; the board shows it.")],
    by: Annotated[str, typer.Option(help="Who withdraws it.")],
    sort: Sort = SORT,
    as_json: AsJson = False,
) -> None:
    """Take a system off a board, with a trace; its rows stay in the folder."""
    from likeness.benchmark.folder import BoardFolder

    folder = BoardFolder(board)
    _tell(folder.withdraw(system, reason, by), folder.path, sort, as_json)


def gate(
    a: Annotated[str, typer.Argument(help="System that may replace B.")],
    b: Annotated[str, typer.Argument(help="System that is replaced.")],
    *,
    board: Annotated[Path, typer.Option(help="Folder of a board, or board.json.")],
    goal: Annotated[str, typer.Option(help="Metric that must improve.")] = SORT,
    guard: Annotated[
        list[str] | None,
        typer.Option(
            metavar="METRIC=MARGIN",
            help="What may be lost of it, as 2% or in its unit; every other metric by default.",
        ),
    ] = None,
    margin: Annotated[str, typer.Option(help="Of metrics without one of their own.")] = "2%",
    only: Annotated[bool, typer.Option("--only", help="Guard what --guard names alone.")] = False,
    missing: Annotated[
        float, typer.Option(help="How many more cases A may lack, as a share.", min=0, max=0.99)
    ] = 0.02,
    as_json: AsJson = False,
) -> None:
    """Say whether A may replace B, and why: exit code 0 to ship, 1 not to.

    The goal must improve and no guarded metric may be lost by more than its margin, by one-sided
    tests over people with Holm's correction over all of them.
    """
    from likeness.benchmark.folder import BoardFolder
    from likeness.benchmark.gate import comparable, gate
    from likeness.benchmark.rule import Margin, Rule

    compared = BoardFolder(board).comparing(a, b)
    named = {} if only else dict.fromkeys(comparable(compared, a, b), margin)
    named |= dict(map(_guard, guard or []))
    guards = {name: Margin.of(size) for name, size in named.items() if name != goal}
    found = gate(compared, a, b, Rule(goal=goal, guards=guards, missing=missing))
    if as_json:
        print_json(found.to_dict())
    else:
        for line in (found.sentence, *found.notes):
            say(line)
    if not found.ship:
        raise typer.Exit(1)


def _guard(text: str) -> tuple[str, str]:
    from likeness.store import LikenessError

    name, sign, size = text.partition("=")
    if not (name and sign and size):
        raise LikenessError(f"--guard takes METRIC=MARGIN, got {text!r}")
    return name, size
