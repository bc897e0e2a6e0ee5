"""Fetch from a Label Studio server what an annotator's browser would be sent."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from likeness.annotation.blinding.telling import AuditError
from likeness.annotation.blinding.traces import Received
from likeness.annotation.server.pages import log_in

ROLES = ("media", "reference")
_OURS = {"date", "set-cookie"}  # what belongs to the moment and to who asks, not to the view
_PAGE = 200


class Visit:
    """Somebody who is logged in to a server, as a browser is.

    Args:
        url: of the server.
        timeout: seconds that an answer may take.

    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        whole = {"Accept-Encoding": "identity"}  # sizes as they are
        self._client = httpx.Client(
            base_url=url, timeout=timeout, headers=whole, follow_redirects=True
        )

    def log_in(self, account: str, password: str) -> None:
        """Log in by the server's own form.

        Raises:
            AuditError: the server is not there.
            ServerError: it doesn't know them.

        """
        try:
            log_in(self._client, account, password)
        except httpx.HTTPError as error:
            raise self._unheard(error) from error

    def get(self, path: str) -> tuple[bytes, Mapping[str, str]]:
        """Fetch a page or file with its headers.

        Raises:
            AuditError: it isn't given.

        """
        try:
            answer = self._client.get(path)
        except httpx.HTTPError as error:
            raise self._unheard(error) from error
        if not answer.is_success:
            raise AuditError(f"{answer.url}: the server says {answer.status_code}")
        return answer.content, answer.headers

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Yield number, project and data of every task that can be seen."""
        projects = self._pages("/api/projects/?", "results")
        for project in projects:
            query = f"/api/tasks/?project={project['id']}&fields=all&"
            for task in self._pages(query, "tasks"):
                yield {"id": task["id"], "project": project["id"], "data": task["data"]}

    def receive(self, task: dict[str, Any]) -> Received:
        """Fetch what belongs to a task: what is said of it, its files and their headers."""
        said = json.loads(self.get(f"/api/tasks/{task['id']}/?project={task['project']}")[0])
        files, headers, urls = {}, {}, {}
        for role in ROLES:
            urls[role] = str(said["data"][role])
            data, told = self.get(urls[role])
            files[role] = data
            headers[role] = {k: v for k, v in told.items() if k.lower() not in _OURS}
        return Received(task=said, files=files, headers=headers, urls=urls)

    def _pages(self, query: str, name: str) -> Iterator[dict[str, Any]]:
        """Yield the rows of all pages of a list."""
        page, rows = 1, 0
        while True:
            said = json.loads(self.get(f"{query}page={page}&page_size={_PAGE}")[0])
            yield from said[name]
            rows += len(said[name])
            if not said[name] or rows >= int(said.get("count", said.get("total", 0))):
                return
            page += 1

    def _unheard(self, error: httpx.HTTPError) -> AuditError:
        return AuditError(f"{self._client.base_url}: no answer ({error}); is the server up?")
