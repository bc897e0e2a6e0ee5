"""Going through a study as a browser does, over HTTP: for simulated raters, audits and load."""

import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from likeness.benchmark.studies.answers import StudyError

Say = Callable[[Mapping[str, Any]], Mapping[str, Any]]
See = Callable[["Walker", Mapping[str, Any]], None]


class Walker:
    """One rater's browser: keeps the connection, the cookie, and what came with the last answer.

    Args:
        url: of the rater's link, with the server.
        timeout: seconds that an answer may take.

    """

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        self.path = parts.path.rstrip("/")
        self._line = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        self._cookie = ""

    def get(self, name: str) -> tuple[bytes, dict[str, str]]:
        """Fetch something below the link, with its headers.

        Raises:
            StudyError: the server refuses.

        """
        return self._ask("GET", name, None)

    def post(self, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Send something, and return what is told.

        Raises:
            StudyError: the server refuses.

        """
        return json.loads(self._ask("POST", name, json.dumps(said).encode())[0])

    def begin(self) -> dict[str, Any]:
        """Open the link and begin, or go on."""
        self.get("")
        return self.post("begin", {})

    def walk(self, say: Say, see: See | None = None, wait: float = 1.0) -> int:
        """Answer everything; returns how many answers.

        Args:
            say: gives an answer to a state.
            see: is shown each state before it is answered.
            wait: share of the playing time to wait for.

        """
        state, answers = self.begin(), 0
        while state["stage"] == "trial":
            if see is not None:
                see(self, state)
            panes = 2 if state["kind"] == "turing" else 1
            time.sleep(wait * panes * state["seconds"])
            told = {"key": state["key"], "stamp": state["stamp"], **say(state)}
            state = self.post("answer", told)
            answers += bool(state["kept"])
        self._line.close()
        return answers

    def _ask(self, method: str, name: str, body: bytes | None) -> tuple[bytes, dict[str, str]]:
        headers = {"Cookie": self._cookie, "Content-Type": "application/json"}
        try:
            self._line.request(method, f"{self.path}/{name}", body, headers)
            answer = self._line.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._line.close()
            raise StudyError(f"the study server doesn't answer ({error!r})") from error
        told = dict(answer.getheaders())
        if given := told.get("Set-Cookie"):
            self._cookie = given.partition(";")[0]
        if answer.status >= 400:
            raise StudyError(f"the study server says {answer.status}: {data.decode()[:200]}")
        return data, told


def walk_together(walks: Sequence[Callable[[], int]]) -> int:
    """Let raters go through a study at the same time; returns how many answers were kept.

    Raises:
        LikenessError: what the first that failed raised.

    """
    kept: list[int] = []
    failed: list[BaseException] = []

    def run(walk: Callable[[], int]) -> None:
        try:
            kept.append(walk())
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=[walk]) for walk in walks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(kept)
