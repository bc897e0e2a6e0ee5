from pathlib import Path
from typing import Annotated

import typer

from likeness.cli.console import say
from likeness.cli.options import DatabaseUrl


def dashboard(
    workspace: Annotated[
        Path,
        typer.Argument(
            envvar="LIKENESS_WORKSPACE", help="Folder of the workspace.", file_okay=False
        ),
    ],
    port: Annotated[int, typer.Option(help="To listen on.", min=1, max=65535)] = 8501,
    database: DatabaseUrl = None,
) -> None:
    """Show a workspace in the browser: clips and rewards, boards, runs.

    Only this machine can reach the pages, and they ask for no account: whoever has one on this
    machine sees everything and may start and stop runs. Ctrl-C ends it; runs go on.
    """
    from likeness.dashboards.serving import serve
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        say(f"http://localhost:{port}  (this machine only, without accounts; Ctrl-C ends it)")
        serve(opened, database, port)
