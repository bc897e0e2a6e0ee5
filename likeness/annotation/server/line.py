"""Asking a Label Studio server over HTTP, with patience where asking again does no harm."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from likeness.annotation.server.client import ServerDownError, ServerError, TokenError

TRIES = 6
PATIENCE = 60.0  # seconds for an answer
ABSENT = 404

_FIRST_PAUSE = 0.25  # seconds, doubled each time
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class Line:
    """A line to a server.

    Args:
        url: where it is, such as `http://127.0.0.1:8080`.
        token: a personal access token of an account there.
        transport: what carries the requests, for tests.
        pause: how waiting is done, seconds.

    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._pause = pause
        self._transport = transport
        self._client = self.new_client()

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def new_client(self) -> httpx.Client:
        """Make a client of the server that nobody has logged in with."""
        return httpx.Client(base_url=self.url, timeout=PATIENCE, transport=self._transport)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        again: bool = True,
        absent: bool = False,
    ) -> httpx.Response:
        """Ask until there is an answer, or once where asking again could do a thing twice.

        Args:
            method: of HTTP.
            path: below the URL.
            params: of the query.
            body: sent as JSON.
            again: whether it may be asked again when no answer comes.
            absent: whether "there is none" is an answer.

        Raises:
            TokenError: the token isn't taken, or its account may not do this.
            ServerDownError: there is no answer.
            ServerError: the server refuses.

        """
        pause, last = _FIRST_PAUSE, ""
        renewed = False
        for tried in range(1, TRIES + 1):
            if "Authorization" not in self._client.headers and path != "/api/version":
                self._client.headers["Authorization"] = f"Bearer {self._access()}"
            try:
                answer = self._client.request(method, path, params=params, json=body)
            except httpx.HTTPError as error:
                last = str(error) or type(error).__name__
            else:
                if answer.status_code == httpx.codes.UNAUTHORIZED and not renewed:
                    renewed = True  # an access token lives for minutes
                    self._client.headers.pop("Authorization", None)
                    continue
                if answer.status_code not in _BUSY:
                    return self._judged(answer, path, absent)
                last = f"it answers {answer.status_code}"
            if not again:
                raise ServerDownError(f"{self.url}{path}: {last}; whether it was done isn't known")
            if tried < TRIES:
                self._pause(pause)
                pause *= 2
        raise ServerDownError(
            f"{self.url} can't be reached ({last}): start it with `likeness annotate up`, or "
            "check its URL; nothing is lost, what was given there is read the next time"
        )

    def _access(self) -> str:
        """Exchange the personal token for one that is taken, for some minutes."""
        refuse_expired(self.url, self._token)
        pause, last = _FIRST_PAUSE, ""
        for _ in range(TRIES):
            try:
                answer = self._client.post("/api/token/refresh/", json={"refresh": self._token})
            except httpx.HTTPError as error:
                last = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return answer.json()["access"]
                if answer.status_code not in _BUSY:
                    raise TokenError(
                        f"{self.url} doesn't take the token: it is wrong or was withdrawn; make a "
                        "personal access token there under Account & Settings and give it again"
                    )
                last = f"it answers {answer.status_code}"
            self._pause(pause)
            pause *= 2
        raise ServerDownError(f"{self.url} can't be reached ({last}): is the server running?")

    def _judged(self, answer: httpx.Response, path: str, absent: bool) -> httpx.Response:
        if answer.is_success or (absent and answer.status_code == ABSENT):
            return answer
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise TokenError(
                f"{self.url}{path}: the token's account may not do this; use a token of an "
                "administrator"
            )
        raise ServerError(f"{self.url}{path}: {answer.status_code}, {answer.text[:300]}")


def refuse_expired(url: str, token: str) -> None:
    """Refuse a token that is none, or that says itself that its time is over.

    Raises:
        TokenError: it is one of these.

    """
    try:
        part = token.split(".")[1]
        told = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        until = datetime.fromtimestamp(told["exp"], UTC)
    except (IndexError, ValueError, KeyError, TypeError, OverflowError, OSError) as error:
        raise TokenError(
            f"{url}: this is no personal access token; make one there under Account & Settings"
        ) from error
    if until < datetime.now(UTC):
        raise TokenError(
            f"{url}: the token expired on {until:%Y-%m-%d}; make another there under Account & "
            "Settings and give it with `likeness annotate up --url --token`"
        )
