"""Every vote once: sync, verify, listen."""

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.inbox.sync import Synced
    from likeness.store.workspace import Workspace

_MOST_SHOWN = 50  # differences


def sync(
    workspace: WorkspaceFolder,
    *,
    full: Annotated[
        bool, typer.Option(help="Read everything, not only what changed; done daily anyway.")
    ] = False,
    database: DatabaseUrl = None,
) -> None:
    """Read what was answered on the server into the workspace, each answer once."""
    from likeness.annotation.inbox.sync import sync as read
    from likeness.annotation.server.place import read_place
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened, bars("sync") as progress:
        found = read(opened, read_place(workspace).server(), full=full, progress=progress)
    _tell(found)


def verify(
    workspace: WorkspaceFolder, *, as_json: AsJson = False, database: DatabaseUrl = None
) -> None:
    """Compare the workspace with the server, row by row, and with its audit; exit 1 if it differs.

    Nothing is changed. Answers that come in meanwhile show as differences: sync, then verify.
    """
    from likeness.annotation.inbox.verify import verify as compare
    from likeness.annotation.server.place import read_place
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened, bars("verify") as progress:
        found = compare(opened, read_place(workspace).server(), progress)
    if as_json:
        print_json(vars(found))
    else:
        for line in found.differences[:_MOST_SHOWN]:
            say(line)
        if len(found.differences) > _MOST_SHOWN:
            say(f"... and {len(found.differences) - _MOST_SHOWN} more; --json tells all")
        kept = f"; {found.kept_tasks} tasks are gone there, their votes kept"
        say(
            f"{len(found.differences)} differences: {found.annotations} annotations of "
            f"{found.tasks} tasks{kept if found.kept_tasks else ''}; audit of {found.entries} "
            f"entries ends {found.end[:16] or 'before it began'}"
        )
    if found.differences:
        raise typer.Exit(1)


def listen(
    workspace: WorkspaceFolder,
    *,
    port: Annotated[int, typer.Option(help="On loopback, for webhooks.")] = 8790,
    every: Annotated[
        float, typer.Option(help="Seconds after which to look even when nothing is heard.", min=1)
    ] = 60.0,
    database: DatabaseUrl = None,
) -> None:
    """Sync whenever the server says that something changed, and now and then; until stopped."""
    from likeness.annotation.server.place import read_place
    from likeness.annotation.server.posting import on_server
    from likeness.annotation.server.receiver import Receiver
    from likeness.store.workspace import Workspace

    place = read_place(workspace)
    server = place.server()
    receiver = Receiver(port, place.hook)
    with Workspace.open(workspace, database) as opened, receiver.listening():
        with opened.reading() as connection:
            projects = on_server(connection, place.name)
        for each in projects:
            if server.project(each.project):
                server.notify(each.project, receiver.url)
        say(f"listening for {len(projects)} projects; stop with Ctrl-C")
        with suppress(KeyboardInterrupt):
            receiver.each_due(lambda: _once(opened), every)


def _once(opened: "Workspace") -> None:
    """Sync; what can't be done now is said, and done the next time."""
    from likeness.annotation.inbox.sync import sync as read
    from likeness.annotation.server.place import read_place
    from likeness.store.errors import LikenessError

    try:
        found = read(opened, read_place(opened.path).server())
    except LikenessError as error:
        say(f"not synced: {error}")
    else:
        if found.kept.fresh or found.kept.votes or found.notes:
            _tell(found)


def _tell(found: "Synced") -> None:
    kept = found.kept
    say(
        f"{kept.told} annotations told, {kept.fresh} new, {kept.votes} votes written "
        f"({kept.uncounted} that don't count), {found.deleted} deleted, "
        f"{found.tasks_gone} tasks gone"
    )
    for note in found.notes:
        say(f"note: {note}")
