"""What is asked of a Label Studio server, whoever answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from likeness.store.errors import LikenessError

VERSIONS = "1.23."


class ServerError(LikenessError):
    """A Label Studio server that refuses, or answers what can't be understood."""


class ServerDownError(ServerError):
    """A server that can't be reached, or fails each time it is asked."""


class TokenError(ServerError):
    """A token that the server doesn't take."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project on the server.

    Attributes:
        id: its number.
        title: at most 50 characters.
        label_config: the page that annotators see, XML.

    """

    id: int
    title: str
    label_config: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task on the server.

    Attributes:
        id: its number.
        project: number of its project.
        key: `data.key`, which we gave it; empty where it has none.
        updated: when it or an annotation of it last changed, as the server says.
        annotations: as the server gives them; empty where they were not asked for.

    """

    id: int
    project: int
    key: str
    updated: str = ""
    annotations: tuple[dict[str, Any], ...] = ()


class Server(Protocol):
    """A Label Studio server."""

    @property
    def name(self) -> str:
        """Return the name by which the inbox calls it, the same for ever."""
        ...

    def version(self) -> str:
        """Return its version, such as `1.23.2`."""
        ...

    def clock(self) -> str:
        """Return its time, UTC, ISO 8601."""
        ...

    def me(self) -> dict[str, Any]:
        """Return the account that the token is of."""
        ...

    def accounts(self) -> dict[int, str]:
        """Return the e-mail address of each user by number."""
        ...

    def projects(self) -> list[Project]:
        """Return all projects, without their label configs."""
        ...

    def project(self, number: int) -> Project | None:
        """Return a project, or None where there is none."""
        ...

    def create_project(self, title: str, label_config: str) -> Project:
        """Make a project. Not to be repeated blindly: see `posting`."""
        ...

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        """Make a task of each; none or all. Not to be repeated blindly: see `posting`."""
        ...

    def tasks(
        self, project: int, *, after: int = 0, since: str = "", size: int = 250, whole: bool = True
    ) -> list[Task]:
        """Return the first tasks of a project by number.

        Args:
            project: its number.
            after: number that theirs are above.
            since: only tasks that changed at this time or later; empty for all.
            size: how many at most.
            whole: with their annotations.

        """
        ...

    def task(self, number: int) -> Task | None:
        """Return a task, or None where there is none."""
        ...

    def annotation(self, number: int) -> dict[str, Any] | None:
        """Return an annotation, or None where there is none."""
        ...

    def delete_task(self, number: int) -> None:
        """Delete a task; nothing where there is none."""
        ...

    def sign_up(self, account: str, password: str) -> int:
        """Make a user by the organization's invitation, unless there is one; return the number."""
        ...

    def notify(self, project: int, url: str) -> None:
        """Have changes of annotations of a project told to a URL, unless they are already."""
        ...

    def serve_folder(self, project: int, folder: str) -> None:
        """Let a project serve the files of a folder on the server, unless it does already."""
        ...


def check_version(server: Server) -> str:
    """Return a server's version.

    Raises:
        ServerError: it is one that this is not made for.

    """
    version = server.version()
    if not version.startswith(VERSIONS):
        raise ServerError(
            f"{server.name}: Label Studio {version}, but this works with {VERSIONS}x; "
            "install label-studio>=1.23.2,<1.24 there"
        )
    return version
