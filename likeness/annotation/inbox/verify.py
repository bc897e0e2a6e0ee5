"""The store against the server, row by row; and the store against itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from likeness.annotation.inbox.keeping import differing, names_told
from likeness.annotation.inbox.sync import PAGE, alive, gone_events, lost_tasks
from likeness.annotation.inbox.telling import told
from likeness.annotation.server.client import Server, Task
from likeness.annotation.server.posting import on_server
from likeness.store import judging
from likeness.store.database import in_batches
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace

_DELIVERY_EVENTS = ("told", "deleted")


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a comparison found.

    Attributes:
        tasks: how many the server has in our projects.
        annotations: how many it has there.
        kept_tasks: tasks that are gone on the server, of which the votes are kept.
        entries: how many the audit has.
        end: the newest entry's hash; noted elsewhere, it shows that none was cut off since.
        differences: a line each; empty where all agrees.

    """

    tasks: int
    annotations: int
    kept_tasks: int
    entries: int
    end: str
    differences: tuple[str, ...]


def verify(workspace: Workspace, server: Server, progress: Progress = silent) -> Verified:
    """Compare the store with the server and with itself; nothing is changed.

    What is answered while it compares shows as a difference: sync and verify again.

    Raises:
        ServerError: the server refuses.
        ServerDownError: it can't be reached.

    """
    with workspace.reading() as connection:
        differences = list(within(connection))
        lost = gone_events(connection, "task_gone", server.name)
        missing = gone_events(connection, "project_gone", server.name)
        ours = on_server(connection, server.name)
        count, end = judging.chain_end(connection)
    seen: set[int] = set()
    annotations = 0
    accounts = server.accounts()
    for number, project in enumerate(ours):
        progress(number, len(ours), f"project {project.project}")
        if server.project(project.project) is None:
            if project.project not in missing:
                differences.append(f"project {project.project} is gone on the server: sync first")
            continue
        last = 0
        while page := server.tasks(project.project, after=last, size=PAGE):
            seen.update(task.id for task in page)
            annotations += sum(len(task.annotations) for task in page)
            with workspace.reading() as connection:
                differences += _of_page(connection, server.name, page, accounts)
            last = page[-1].id
    with workspace.reading() as connection:
        differences += [
            f"task {number} is gone on the server: sync --full first"
            for number in lost_tasks(connection, server, seen)
        ]
    progress(len(ours), len(ours), f"{annotations} annotations")
    return Verified(
        tasks=len(seen),
        annotations=annotations,
        kept_tasks=len(lost),
        entries=count,
        end=end,
        differences=tuple(differences),
    )


def within(connection: Connection) -> Iterator[str]:
    """Say where the store contradicts itself, without any server."""
    if broken := judging.verify_chain(connection):
        yield f"audit: {broken}"
    noted = {
        entry.subject
        for event in _DELIVERY_EVENTS
        for entry in judging.events_of(connection, event)
    }
    for name, delivery in judging.all_deliveries(connection):
        if delivery.id != name:
            yield f"delivery {name[:12]}: it isn't what was written down"
        if name not in noted:
            yield f"delivery {name[:12]}: the audit doesn't know it"
        noted.discard(name)
    for name in sorted(noted):
        yield f"delivery {name[:12]}: the audit tells of it, but it isn't there"
    for some in in_batches(names_told(connection)):
        for vote in differing(connection, some):
            said = f"{vote.choice} ({vote.reason})" if vote.reason else str(vote.choice)
            yield (
                f"vote of {vote.rater} on {vote.assignment}, {vote.dimension}: by the inbox it is "
                f"{said}; sync --full first"
            )


def _of_page(
    connection: Connection, server: str, page: Sequence[Task], accounts: dict[int, str]
) -> Iterator[str]:
    known = {each.annotation: each for each in alive(connection, server, page)}
    for task in page:
        for annotation in task.annotations:
            there = told(server, task.key, annotation, accounts, "sync")
            here = known.pop(there.annotation, None)
            if here is None:
                yield f"annotation {there.annotation} of task {task.id} isn't here: sync first"
            elif here.id != there.id:
                yield (
                    f"annotation {there.annotation} of task {task.id}: the server has it of "
                    f"{there.updated}, the store of {here.updated}: sync first"
                )
    for here in known.values():
        yield (
            f"annotation {here.annotation} of task {here.task} is in the store and not on the "
            "server: sync --full first"
        )
