"""Where a workspace's server is and how to get in, in a file that only its owner may read."""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from likeness.annotation.server.client import ServerError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import Line
from likeness.store.atomic import replacing
from likeness.store.forgetting import VIEWS

FOLDER = Path("annotation", "server")
FILE = "connection.json"
MEDIA = VIEWS  # served by the server; nothing secret may lie in it

_PRIVATE = 0o600


@dataclass(frozen=True, kw_only=True)
class Place:
    """A server and what opens it. Secrets are left out of its text.

    Attributes:
        name: by which the inbox calls it.
        url: where it is.
        ours: whether it is run from the workspace.
        account: e-mail address of the administrator; empty for another's server.
        token: personal access token; empty before there is one.
        password: of the account; empty for another's server.
        key: with which the server signs sessions; empty for another's server.
        hook: part of the URL that webhooks are sent to.

    """

    name: str
    url: str
    ours: bool
    account: str = ""
    token: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    hook: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def port(self) -> int:
        """Return the port of its URL."""
        return int(self.url.rsplit(":", 1)[1])

    def server(self) -> HttpServer:
        """Open a line to it."""
        return HttpServer(Line(self.url, self.token), self.name)


def own_place(url: str) -> Place:
    """Draw the secrets of a new server of our own.

    Its name is drawn too: when its folder is removed and another is made, numbers of annotations
    start again, and the two must not be taken for one.
    """
    return Place(
        name=f"local-{secrets.token_hex(4)}",
        url=url,
        ours=True,
        account="admin@likeness.local",
        password=secrets.token_urlsafe(16),
        key=secrets.token_urlsafe(48),
    )


def read_place(workspace: Path) -> Place:
    """Return where a workspace's server is.

    Raises:
        ServerError: none was set up, or what tells of it is broken.

    """
    path = workspace / FOLDER / FILE
    try:
        return Place(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise ServerError(
            f"{workspace}: no Label Studio server yet; start one with "
            f"`likeness annotate up {workspace}`"
        ) from error
    except (ValueError, TypeError) as error:
        raise ServerError(
            f"{path} is broken ({error}): restore it, or remove it and run `likeness annotate up`"
        ) from error


def write_place(workspace: Path, place: Place) -> None:
    """Write down where a workspace's server is, for its owner's eyes alone."""
    write_private(workspace / FOLDER / FILE, asdict(place))


def write_private(path: Path, told: Mapping[str, Any]) -> None:
    """Write JSON into a file and folder that only their owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with replacing(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=1)
