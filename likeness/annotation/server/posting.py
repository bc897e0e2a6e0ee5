"""Putting tasks on a server, each once, however often posting is cut off and begun again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from likeness.annotation.server.client import Project, Server, ServerDownError, ServerError, Task
from likeness.store import judging
from likeness.store.progress import Progress, silent
from likeness.store.record import content_id
from likeness.store.workspace import Workspace

BATCH = 250  # tasks a request
PAGE = 1000  # tasks whose keys are read at a time

_POSTED = "project_posted"
_TRIES = 5  # of one batch


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What a rater is asked in a campaign: one project on the server.

    Attributes:
        campaign: its id.
        rater: id of the rater.
        label_config: the page, XML.
        tasks: data of each, with its `key`.

    """

    campaign: str
    rater: str
    label_config: str
    tasks: tuple[Mapping[str, Any], ...]

    def __post_init__(self) -> None:
        keys = [task.get("key") for task in self.tasks]
        if not all(keys) or len(set(keys)) < len(keys):
            raise ServerError(
                f"campaign {self.campaign}, rater {self.rater}: each task needs a key of its own"
            )


@dataclass(frozen=True, kw_only=True)
class OnServer:
    """A project of ours on a server, as it was made.

    Attributes:
        project: its number there.
        campaign: id of the campaign.
        rater: id of the rater.
        label_config: as the server gave it back.

    """

    project: int
    campaign: str
    rater: str
    label_config: str


@dataclass(frozen=True, kw_only=True)
class Posted:
    """What posting did.

    Attributes:
        project: number on the server.
        added: tasks made.
        there: tasks that were there before.
        removed: tasks taken away again, because there were two of a key.

    """

    project: int
    added: int
    there: int
    removed: int


def on_server(connection: Connection, server: str) -> list[OnServer]:
    """Return our projects on a server, the oldest first."""
    return [
        OnServer(**{name: entry.told[name] for name in OnServer.__dataclass_fields__})
        for entry in judging.events_of(connection, _POSTED)
        if entry.told["server"] == server
    ]


def post(workspace: Workspace, server: Server, queue: Queue, progress: Progress = silent) -> Posted:
    """Put a rater's tasks on the server, those that are not there yet.

    Cut off anywhere and begun again it makes no task twice: what is there is looked up by key
    before and after, and nothing is sent again before that.

    Raises:
        ServerError: the server refuses, or the campaign was posted with another page.
        ServerDownError: the server can't be reached.
        WorkspaceError: another process is posting.

    """
    with workspace.lock("annotate-post"):
        project = _project(workspace, server, queue)
        there = _by_key(server, project)
        before = sum(task["key"] in there for task in queue.tasks)
        missing = [task for task in queue.tasks if task["key"] not in there]
        done = before
        while missing:
            progress(done, len(queue.tasks), f"project {project}")
            batch, missing = missing[:BATCH], missing[BATCH:]
            done += _import(server, project, batch)
        there = _by_key(server, project)
        removed = _take_away_doubles(server, there)
        lost = [task["key"] for task in queue.tasks if task["key"] not in there]
        if lost:
            raise ServerError(
                f"project {project}: {len(lost)} tasks were taken but aren't there, such as "
                f"{lost[0]}; run the same command again"
            )
        progress(len(queue.tasks), len(queue.tasks), f"project {project}")
    return Posted(project=project, added=len(queue.tasks) - before, there=before, removed=removed)


def keys(server: Server, project: int) -> Iterator[Task]:
    """Read all tasks of a project without their annotations."""
    last = 0
    while page := server.tasks(project, after=last, size=PAGE, whole=False):
        yield from page
        last = page[-1].id


def _project(workspace: Workspace, server: Server, queue: Queue) -> int:
    with workspace.reading() as connection:
        ours = on_server(connection, server.name)
    there = [p for p in ours if (p.campaign, p.rater) == (queue.campaign, queue.rater)]
    for each in there:
        made = server.project(each.project)
        if made is None:
            continue
        if content_id(queue.label_config.split()) != content_id(each.label_config.split()):
            raise ServerError(
                f"campaign {queue.campaign} was posted to {queue.rater} with another page "
                f"(project {each.project}); start a new campaign for a new page"
            )
        return each.project
    title = _title(queue)
    same = [each for each in server.projects() if each.title == title]
    made = server.project(same[0].id) if same else None
    made = made or _create(server, title, queue.label_config)
    told = {
        "server": server.name,
        "project": made.id,
        "campaign": queue.campaign,
        "rater": queue.rater,
        "label_config": made.label_config,
    }
    with workspace.transaction() as connection:
        judging.one_at_a_time(connection)
        judging.append_audit(connection, [(_POSTED, f"project {made.id}", told)])
    return made.id


def _create(server: Server, title: str, label_config: str) -> Project:
    """Make a project; where it isn't known whether it was made, look."""
    try:
        return server.create_project(title, label_config)
    except ServerDownError:
        for each in server.projects():
            if each.title == title and (made := server.project(each.id)):
                return made
        return server.create_project(title, label_config)


def _title(queue: Queue) -> str:
    """Name a project in the 50 characters that there are; the same queue gets the same name."""
    first = min((task["key"] for task in queue.tasks), default="")
    mark = content_id([queue.campaign, queue.rater, first])[:8]
    return f"{queue.campaign[:20]} {queue.rater[:20]} {mark}"


def _import(server: Server, project: int, batch: list[Mapping[str, Any]]) -> int:
    """Make tasks; where it isn't known whether they were made, look before trying again."""
    wanted = {task["key"]: task for task in batch}
    for tried in range(1, _TRIES + 1):
        try:
            server.import_tasks(project, list(wanted.values()))
        except ServerDownError:
            if tried == _TRIES:
                raise
        else:
            break
        there = _by_key(server, project)
        wanted = {key: task for key, task in wanted.items() if key not in there}
        if not wanted:
            break
    return len(batch)


def _by_key(server: Server, project: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for task in keys(server, project):
        if task.key:
            found.setdefault(task.key, []).append(task.id)
    return found


def _take_away_doubles(server: Server, there: Mapping[str, list[int]]) -> int:
    """Delete what an import made twice, but nothing that somebody has answered."""
    removed = 0
    for numbers in there.values():
        if len(numbers) == 1:
            continue
        tasks = [task for number in numbers if (task := server.task(number))]
        bare = [task for task in tasks if not task.annotations]
        spared = bare[1:] if len(bare) == len(tasks) else bare
        for task in spared:
            server.delete_task(task.id)
            removed += 1
    return removed
