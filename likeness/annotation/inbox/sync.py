"""Reading what a server has into the inbox: what changed since, and now and then everything.

A change is found by the time that the server notes at its task; the time until which was read is
kept in the audit, beside what was read. What leaves no such trace, as deletions of many at once, is
found by reading everything, which happens once a day.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.engine import Connection

from likeness.annotation.inbox.keeping import Kept, deliveries_of, keep, reread, whose_keys
from likeness.annotation.inbox.reading import nameless, newest
from likeness.annotation.inbox.telling import gone, told
from likeness.annotation.server.client import Server, Task, check_version
from likeness.annotation.server.posting import OnServer, on_server
from likeness.store import judging
from likeness.store.judgements import Delivery
from likeness.store.judging import Event
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace

PAGE = 250  # tasks a request
OVERLAP = timedelta(minutes=2)  # read again, for what was saved while we read
EVERYTHING = timedelta(days=1)  # how often all is read

_SYNCED, _RECONCILED = "synced", "reconciled"


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What a sync found.

    Attributes:
        kept: deliveries and votes.
        deleted: annotations that are gone on the server.
        tasks_gone: tasks that are gone there; the votes on them are kept.
        notes: what somebody should look at, a line each.

    """

    kept: Kept = field(default_factory=Kept)
    deleted: int = 0
    tasks_gone: int = 0
    notes: tuple[str, ...] = ()

    def __add__(self, other: "Synced") -> "Synced":
        return Synced(
            kept=self.kept + other.kept,
            deleted=self.deleted + other.deleted,
            tasks_gone=self.tasks_gone + other.tasks_gone,
            notes=self.notes + other.notes,
        )


def sync(
    workspace: Workspace, server: Server, *, full: bool = False, progress: Progress = silent
) -> Synced:
    """Bring the inbox up to what the server has.

    Killed anywhere and run again it comes to the same: a page is written with all that follows
    from it or not at all, and what was read before changes nothing.

    Args:
        workspace: where the inbox is.
        server: what is read.
        full: read everything, not only what changed since; done once a day without asking.
        progress: told of annotations.

    Raises:
        ServerError: it refuses, or is of a version that this is not made for.
        ServerDownError: it can't be reached.
        WorkspaceError: another process is syncing.

    """
    with workspace.lock("annotate-sync"):
        check_version(server)
        with workspace.reading() as connection:
            ours = on_server(connection, server.name)
        passes = [_Pass(workspace, server, project) for project in ours]
        full = full or any(each.everything_due() for each in passes)
        total = Synced(kept=reread(workspace, everything=full))
        for number, each in enumerate(passes):
            progress(number, len(ours), f"project {each.ours.project}")
            total += each.run(full=full)
        if full:
            seen = {task for each in passes for task in each.seen}
            total += Synced(tasks_gone=_note_lost(workspace, server, seen))
        progress(len(ours), len(ours), f"{total.kept.fresh} new of {total.kept.told} told")
    return total


def lost_tasks(connection: Connection, server: Server, seen: Collection[int]) -> list[int]:
    """Return the tasks that we were told of, that are gone, and not known to be.

    Args:
        connection: to the inbox.
        server: which told.
        seen: tasks that are there.

    """
    known = judging.tasks_told(connection, server.name)
    noted = gone_events(connection, "task_gone", server.name)
    missing = gone_events(connection, "project_gone", server.name)
    theirs = {
        (p.campaign, p.rater) for p in on_server(connection, server.name) if p.project in missing
    }
    suspects = {number: key for number, key in known.items() if number not in noted | set(seen)}
    whose = whose_keys(connection, suspects.values())
    return sorted(
        number
        for number, key in suspects.items()
        if whose.get(key) not in theirs and server.task(number) is None
    )


def _note_lost(workspace: Workspace, server: Server, seen: Collection[int]) -> int:
    with workspace.reading() as connection:
        lost = lost_tasks(connection, server, seen)
    events: list[Event] = [
        ("task_gone", f"task {number}", {"server": server.name, "number": number})
        for number in lost
    ]
    keep(workspace, [], events)
    return len(lost)


def gone_events(connection: Connection, event: str, server: str) -> set[int]:
    """Return the numbers of tasks or projects that were noted as gone."""
    return {
        int(entry.told["number"])
        for entry in judging.events_of(connection, event)
        if entry.told["server"] == server
    }


class _Pass:
    """One reading of one project.

    Args:
        workspace: where the inbox is.
        server: what is read.
        ours: the project.

    Attributes:
        seen: numbers of the tasks that were read.

    """

    def __init__(self, workspace: Workspace, server: Server, ours: OnServer) -> None:
        self._workspace = workspace
        self._server = server
        self.ours = ours
        self._accounts = server.accounts()
        self.seen: set[int] = set()

    def run(self, *, full: bool) -> Synced:
        """Read what changed since the last time, or everything."""
        notes = self._look_at_project()
        until = self._server.clock()
        if notes is None:
            self._remember(until, full=full, read=0)
            return Synced(notes=(self._gone_project(),))
        since = "" if full else self._since()
        total = Synced(notes=notes)
        last = 0
        while page := self._server.tasks(self.ours.project, after=last, since=since, size=PAGE):
            total += self._page(page, "reconcile" if full else "sync")
            self.seen.update(task.id for task in page)
            last = page[-1].id
        self._remember(until, full=full, read=total.kept.told)
        return total

    def everything_due(self) -> bool:
        """Whether all was last read long ago, or never."""
        with self._workspace.reading() as connection:
            last = max(self._reads(connection, _RECONCILED), default="")
        return not last or _time(last) + EVERYTHING < _time(self._server.clock())

    def _page(self, page: Sequence[Task], way: str) -> Synced:
        name = self._server.name
        deliveries = [
            told(name, task.key, annotation, self._accounts, way)
            for task in page
            for annotation in task.annotations
        ]
        there = {each.annotation for each in deliveries}
        with self._workspace.reading() as connection:
            known = alive(connection, name, page)
        deleted = [
            gone(each, way)
            for each in known
            if each.annotation not in there and self._server.annotation(each.annotation) is None
        ]
        return Synced(kept=keep(self._workspace, deliveries + deleted), deleted=len(deleted))

    def _look_at_project(self) -> tuple[str, ...] | None:
        """Return what is odd about the project; None where it is gone."""
        project = self._server.project(self.ours.project)
        if project is None:
            return None
        if project.label_config.split() == self.ours.label_config.split():
            return ()
        return (
            f"project {project.id} (campaign {self.ours.campaign}, rater {self.ours.rater}): its "
            "label config was edited on the server; votes are read as far as they can be, answers "
            "that were not offered don't count. Put the old one back, or post a new campaign",
        )

    def _gone_project(self) -> str:
        number = self.ours.project
        facts = {"server": self._server.name, "number": number}
        with self._workspace.transaction() as connection:
            judging.one_at_a_time(connection)
            if number not in gone_events(connection, "project_gone", self._server.name):
                judging.append_audit(connection, [("project_gone", f"project {number}", facts)])
        return (
            f"project {number} (campaign {self.ours.campaign}, rater {self.ours.rater}) is gone "
            "on the server; the votes that were read from it are kept"
        )

    def _since(self) -> str:
        with self._workspace.reading() as connection:
            return max(self._reads(connection, _SYNCED, _RECONCILED), default="")

    def _reads(self, connection: Connection, *events: str) -> Iterator[str]:
        for event in events:
            for entry in judging.events_of(connection, event, f"project {self.ours.project}"):
                if entry.told["server"] == self._server.name:
                    yield entry.told["until"]

    def _remember(self, until: str, *, full: bool, read: int) -> None:
        """Note until when was read; nothing where there was nothing, so that idling is silent."""
        if not (full or read):
            return
        told = {
            "server": self._server.name,
            "until": (_time(until) - OVERLAP).isoformat(timespec="microseconds"),
        }
        subject = f"project {self.ours.project}"
        keep(self._workspace, [], [(_RECONCILED if full else _SYNCED, subject, told)])


def alive(connection: Connection, server: str, tasks: Sequence[Task]) -> list[Delivery]:
    """Return the annotations of tasks that are there, as far as the inbox knows."""
    numbers = {task.id for task in tasks}
    names = [task.key or nameless(task.id, server) for task in tasks]
    told = (
        each
        for each in deliveries_of(connection, names)
        if each.server == server and each.task in numbers
    )
    return [each for each in newest(told).values() if each.body is not None]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
