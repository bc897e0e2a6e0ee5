"""A Label Studio server over HTTP.

Label Studio's SDK is not used for these: it repeats a POST that may have been done, which makes
tasks twice, and its models leave out fields that a faithful copy needs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from likeness.annotation.inbox.telling import moment
from likeness.annotation.server.client import Project, ServerError, Task
from likeness.annotation.server.line import ABSENT, Line
from likeness.annotation.server.pages import csrf, refusal

_TOLD = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")


class HttpServer:
    """A Label Studio server at a URL.

    What only reads, or can be done twice without harm, is tried again while the server fails.

    Args:
        line: to it.
        name: by which the inbox calls it; without one, its URL.

    """

    def __init__(self, line: Line, name: str | None = None) -> None:
        self.line = line
        self._name = name or line.url

    @property
    def name(self) -> str:
        """Return the name by which the inbox calls it."""
        return self._name

    def version(self) -> str:
        """Return its version."""
        told = self.line.ask("GET", "/api/version").json()
        version = told.get("release") if isinstance(told, dict) else None
        if not isinstance(version, str):
            raise ServerError(
                f"{self.line.url} is not a Label Studio server: it doesn't tell a version"
            )
        return version

    def clock(self) -> str:
        """Return its time, to the second."""
        told = self.line.ask("GET", "/api/version").headers.get("date")
        when = parsedate_to_datetime(told) if told else datetime.now(UTC)
        return when.astimezone(UTC).isoformat(timespec="microseconds")

    def me(self) -> dict[str, Any]:
        """Return the account that the token is of."""
        return self.line.ask("GET", "/api/current-user/whoami").json()

    def accounts(self) -> dict[int, str]:
        """Return the e-mail address of each user by number."""
        return {user["id"]: user["email"] for user in self.line.ask("GET", "/api/users").json()}

    def projects(self) -> list[Project]:
        """Return all projects, without their label configs."""
        found: list[Project] = []
        page = 1
        while True:
            wanted = {"page": page, "page_size": 200, "include": "id,title", "ordering": "id"}
            told = self.line.ask("GET", "/api/projects", params=wanted).json()
            found += [
                Project(id=each["id"], title=each["title"], label_config="")
                for each in told["results"]
            ]
            if not told.get("next"):
                return found
            page += 1

    def project(self, number: int) -> Project | None:
        """Return a project, or None where there is none."""
        return self._found(f"/api/projects/{number}/", _project)

    def create_project(self, title: str, label_config: str) -> Project:
        """Make a project."""
        fields = {"title": title, "label_config": label_config}
        # An empty answer can't be sent, nor can a task be passed over unseen.
        fields |= {"enable_empty_annotation": False, "show_skip_button": True}
        return _project(self.line.ask("POST", "/api/projects/", body=fields, again=False).json())

    def import_tasks(self, project: int, data: Sequence[Mapping[str, Any]]) -> None:
        """Make a task of each."""
        tasks = [{"data": dict(each)} for each in data]
        self.line.ask("POST", f"/api/projects/{project}/import", body=tasks, again=False)

    def tasks(
        self, project: int, *, after: int = 0, since: str = "", size: int = 250, whole: bool = True
    ) -> list[Task]:
        """Return the first tasks of a project by number, above one and changed since a time."""
        items = [_filter("id", "greater", "Number", after)]
        if since:
            items.append(_filter("updated_at", "greater_or_equal", "Datetime", _zulu(since)))
        query = {
            "filters": {"conjunction": "and", "items": items},
            "ordering": ["tasks:id"],
        }
        params = {
            "project": project,
            "page": 1,
            "page_size": size,
            "fields": "all" if whole else "task_only",
            "resolve_uri": "false",
            "query": json.dumps(query),
        }
        told = self.line.ask("GET", "/api/tasks", params=params).json()
        return [_task(each) for each in told["tasks"]]

    def task(self, number: int) -> Task | None:
        """Return a task, or None where there is none."""
        return self._found(f"/api/tasks/{number}/", _task)

    def annotation(self, number: int) -> dict[str, Any] | None:
        """Return an annotation, or None where there is none."""
        return self._found(f"/api/annotations/{number}/", dict)

    def delete_task(self, number: int) -> None:
        """Delete a task; nothing where there is none."""
        self.line.ask("DELETE", f"/api/tasks/{number}/", absent=True)

    def sign_up(self, account: str, password: str) -> int:
        """Make a user by the organization's invitation, unless there is one."""
        number = self._number_of(account)
        if number is not None:
            return number
        page = self.line.ask("GET", "/api/invite").json()["invite_url"]
        with self.line.new_client() as visitor:
            answer = visitor.post(
                page,
                data={"email": account, "password": password, **csrf(visitor, page)},
                headers={"Referer": self.line.url + page},
            )
            number = self._number_of(account)
            if number is None:
                raise ServerError(
                    f"{self.line.url} takes no account {account}: {refusal(answer.text)}"
                )
        return number

    def notify(self, project: int, url: str) -> None:
        """Have changes of annotations of a project told to a URL."""
        there = self.line.ask("GET", "/api/webhooks/", params={"project": project}).json()
        if not any(each["url"] == url for each in there):
            hook = {"project": project, "url": url, "send_payload": False}
            hook |= {"send_for_all_actions": False, "actions": list(_TOLD)}
            self.line.ask("POST", "/api/webhooks/", body=hook, again=False)

    def ask_model(self, project: int, url: str) -> None:
        """Have a project's tasks predicted by a model that answers at a URL, shown as they open.

        Raises:
            ServerError: the server can't reach the model.

        """
        models = "/api/ml/"
        there = self.line.ask("GET", models, params={"project": project}).json()
        if not any(each["url"] == url for each in there):
            wanted = {"project": project, "url": url, "title": "likeness"}
            self.line.ask("POST", models, body=wanted, again=False)

    def serve_folder(self, project: int, folder: str) -> None:
        """Let a project serve the files of a folder on the server."""
        storages = "/api/storages/localfiles/"
        there = self.line.ask("GET", storages, params={"project": project}).json()
        if not any(each["path"] == folder for each in there):
            wanted = {"project": project, "path": folder, "title": "media", "use_blob_urls": True}
            self.line.ask("POST", storages, body=wanted, again=False)

    def _number_of(self, account: str) -> int | None:
        return next(
            (n for n, a in self.accounts().items() if a.casefold() == account.casefold()), None
        )

    def _found(self, path: str, make: Callable[[dict[str, Any]], Any]) -> Any:
        answer = self.line.ask("GET", path, absent=True)
        return None if answer.status_code == ABSENT else make(answer.json())


def _filter(field: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}


def _zulu(time: str) -> str:
    """Write a time in the one form that the server's filters read; they answer 500 to others."""
    return datetime.fromisoformat(time).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _project(told: dict[str, Any]) -> Project:
    return Project(id=told["id"], title=told["title"], label_config=told["label_config"])


def _task(told: dict[str, Any]) -> Task:
    key = told.get("data", {}).get("key", "")
    return Task(
        id=told["id"],
        project=told.get("project", 0),
        key=key if isinstance(key, str) else str(key),
        updated=moment(told.get("updated_at")),
        annotations=tuple(told.get("annotations") or ()),
    )
