"""The server that people answer on: up, down, status."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.server.place import Place


def up(
    workspace: WorkspaceFolder,
    *,
    url: Annotated[
        str | None, typer.Option(help="A server that runs elsewhere, in place of our own.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="LIKENESS_LABEL_STUDIO_TOKEN",
            help="With --url: personal access token of an administrator there.",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Of our own server; without it, the last one or a free one.")
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Start the workspace's Label Studio server, or get to know one that runs elsewhere."""
    from likeness.annotation.server.process import start
    from likeness.store.workspace import Workspace

    with Workspace.create(workspace, database) as opened, opened.lock("annotate-server"):
        if url is None:
            with bars("label studio") as progress:
                place = start(workspace, port, progress)
        else:
            place = _elsewhere(workspace, url, token)
    say(f"Label Studio {_version(place)} at {place.url}")
    if place.ours:
        say(
            f"log in as {place.account}; the password is in "
            f"{workspace / 'annotation' / 'server' / 'connection.json'}"
        )


def down(workspace: WorkspaceFolder) -> None:
    """Stop the workspace's Label Studio server; what was answered on it stays."""
    from likeness.annotation.server.process import stop

    say("stopped" if stop(workspace) else "it wasn't running")


def status(workspace: WorkspaceFolder, *, as_json: AsJson = False) -> None:
    """Say whether the server runs, and where; exit 1 where it doesn't answer."""
    from likeness.annotation.server.place import read_place
    from likeness.annotation.server.process import answers

    place = read_place(workspace)
    told = {"name": place.name, "url": place.url, "ours": place.ours, "up": answers(place.url)}
    told["version"] = _version(place) if told["up"] else None
    if as_json:
        print_json(told)
    elif told["up"]:
        say(f"up: Label Studio {told['version']} at {place.url}")
    else:
        say(f"down: nothing answers at {place.url}")
    if not told["up"]:
        raise typer.Exit(1)


def _elsewhere(workspace: Path, url: str, token: str | None) -> "Place":
    from likeness.annotation.server.client import ServerError, check_version
    from likeness.annotation.server.place import Place, write_place

    if not token:
        raise ServerError(
            f"{url}: give a personal access token of an administrator with --token, or in "
            "LIKENESS_LABEL_STUDIO_TOKEN; make one there under Account & Settings"
        )
    place = Place(name=url.rstrip("/"), url=url.rstrip("/"), ours=False, token=token)
    server = place.server()
    check_version(server)
    server.me()
    write_place(workspace, place)
    return place


def _version(place: "Place") -> str:
    return place.server().version()
