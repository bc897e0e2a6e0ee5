"""From a planned campaign to raters' queues on the server."""

from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import bars, say
from likeness.cli.options import DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.server.http import HttpServer
    from likeness.annotation.server.place import Place
    from likeness.store.judgements import Rater
    from likeness.store.workspace import Workspace


def post(
    workspace: WorkspaceFolder,
    *,
    campaign: Annotated[str, typer.Option(help="Name of the campaign, as it was planned.")],
    media_url: Annotated[
        str | None,
        typer.Option(
            help="Where the workspace's folder annotation/media is served, for a server that runs "
            "elsewhere."
        ),
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Make the videos of a campaign and put each rater's queue on the server, each task once.

    Stopped and started again, it goes on. Raters without an account get one on our own server.
    """
    from likeness.annotation.server.accounts import FILE
    from likeness.annotation.server.client import ServerError, check_version
    from likeness.annotation.server.place import MEDIA, read_place
    from likeness.annotation.server.posting import post as put
    from likeness.annotation.showing import show
    from likeness.store.raters import campaign_rows, raters
    from likeness.store.workspace import Workspace

    place = read_place(workspace)
    if not place.ours and media_url is None:
        raise ServerError(
            f"{place.url} runs elsewhere and can't read files here: serve the folder "
            f"{workspace / MEDIA} to raters, and say where with --media-url"
        )
    server = place.server()
    check_version(server)
    with Workspace.open(workspace, database) as opened:
        rows = campaign_rows(opened, campaign)
        there = raters(opened)
        for name in dict.fromkeys(assignment.rater for assignment in rows.assignments):
            rater = there[name]
            if rater.standing == "suspended":
                say(f"{name} is suspended and is given nothing")
                continue
            account = _account(opened, place, server, rater)
            with bars(name) as progress:
                shown = show(opened, rows, name, media_url=media_url, progress=progress)
                posted = put(opened, server, shown.queue, progress)
            if place.ours:
                served = (workspace / MEDIA / shown.folder).resolve()
                server.serve_folder(posted.project, str(served))
            say(
                f"{name}: {posted.added} tasks added, {posted.there} were there, for {account} at "
                f"{place.url}/projects/{posted.project}/"
            )
            for note in dict.fromkeys(shown.notes.values()):
                say(f"  {note}")
    if place.ours:
        say(f"passwords are in {workspace / FILE}")


def _account(workspace: "Workspace", place: "Place", server: "HttpServer", rater: "Rater") -> str:
    """Return a rater's account on the server, made if need be and we may."""
    from dataclasses import replace

    from likeness.annotation.server.accounts import password_of
    from likeness.annotation.server.client import ServerError
    from likeness.store.raters import append_rater
    from likeness.store.record import now

    account = rater.account or f"{rater.id}@likeness.local"
    if not place.ours:
        if account.casefold() not in {a.casefold() for a in server.accounts().values()}:
            raise ServerError(
                f"{rater.id} has no account at {place.url}: invite them there, and tell the "
                f"address with `likeness annotate people {workspace.path} invite {rater.id} "
                "--account ADDRESS`"
            )
    else:
        server.sign_up(account, password_of(workspace.path, account))
    if account != rater.account or rater.standing == "invited":
        changed = replace(rater, account=account, standing="active", note="has an account")
        append_rater(workspace, replace(changed, created=now()))
    return account
