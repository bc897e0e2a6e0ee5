"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Any

import typer


def family(**settings: Any) -> typer.Typer:
    """Make the Typer of several verbs.

    Its help is plain text: importing what draws frames around it takes longer than all the rest.
    """
    return typer.Typer(add_completion=False, rich_markup_mode=None, **settings)


WorkspacePath = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        envvar="LIKENESS_WORKSPACE",
        help="Folder of the workspace.",
        file_okay=False,
    ),
]

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="LIKENESS_DATABASE",
        help="PostgreSQL URL of a shared workspace; without it, SQLite in the folder.",
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
