from pathlib import Path
from typing import Annotated

import typer

from likeness.cli.console import say
from likeness.cli.studying.options import StudyPath


def report(
    study: StudyPath,
    *,
    out: Annotated[
        Path | None, typer.Option(help="HTML file; by default report.html in the study's folder.")
    ] = None,
) -> None:
    """Write the planned analysis of a study as one HTML page that holds everything it shows."""
    from likeness.benchmark.studies.outcome import outcome
    from likeness.benchmark.studies.paper import paper
    from likeness.cli.studying.serve import opened
    from likeness.store.atomic import write_bytes

    with opened(study) as (folder, desk):
        page = paper(outcome(folder, desk.rows))
    path = out or study / "report.html"
    write_bytes(path, page.encode())
    say(f"{path}")


def export(
    study: StudyPath,
    out: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV or Parquet file.")],
) -> None:
    """Write the answers that count as the table that `analyse` reads; it tells the truth."""
    from likeness.benchmark.studies.outcome import table_of
    from likeness.cli.studying.serve import opened
    from likeness.store.sheets import write_sheet

    with opened(study) as (folder, desk):
        table = table_of(folder, desk.rows.answers())
    write_sheet(table, out)
    say(f"{len(table)} rows in {out}")
