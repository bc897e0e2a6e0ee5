"""Fetch from a Label Studio server what an annotator's browser would be sent."""

import json
from collections.abc import Iterator
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, Request, build_opener

from likeness.annotation.blinding.telling import AuditError
from likeness.annotation.blinding.traces import Received

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
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self._cookies))

    def log_in(self, email: str, password: str) -> None:
        """Log in by the server's own form.

        Raises:
            AuditError: the server is not there, or doesn't know them.

        """
        page = f"{self._url}/user/login/"
        self.get(page)
        token = next((c.value for c in self._cookies if c.name == "csrftoken"), "") or ""
        form = urlencode({"email": email, "password": password, "csrfmiddlewaretoken": token})
        self._ask(Request(page, form.encode(), {"Referer": page}))
        try:
            self.get("api/current-user/whoami")
        except AuditError as error:
            raise AuditError(
                f"{self._url}: {email} can't log in ({error}); check the password"
            ) from error

    def get(self, path: str) -> tuple[bytes, HTTPMessage]:
        """Fetch a page or file with its headers."""
        return self._ask(Request(urljoin(f"{self._url}/", path)))

    def tasks(self) -> Iterator[dict[str, Any]]:
        """Yield number, project and data of every task that can be seen."""
        projects = self._pages("api/projects/?", "results")
        for project in projects:
            query = f"api/tasks/?project={project['id']}&fields=all&"
            for task in self._pages(query, "tasks"):
                yield {"id": task["id"], "project": project["id"], "data": task["data"]}

    def receive(self, task: dict[str, Any]) -> Received:
        """Fetch what belongs to a task: what is said of it, its files and their headers."""
        said = json.loads(self.get(f"api/tasks/{task['id']}/?project={task['project']}")[0])
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

    def _ask(self, request: Request) -> tuple[bytes, HTTPMessage]:
        try:
            with self._opener.open(request, timeout=self._timeout) as answer:
                return answer.read(), answer.headers
        except HTTPError as error:
            raise AuditError(f"{request.full_url}: the server says {error.code}") from error
        except (URLError, TimeoutError) as error:
            raise AuditError(
                f"{request.full_url}: no answer ({error}); is the server up?"
            ) from error
