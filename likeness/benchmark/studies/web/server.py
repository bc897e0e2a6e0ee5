"""The web server of a study: the standard library's, a thread for each connection.

    GET  /LINK/               the page, or why there is none
    GET  /LINK/state          what is on now
    POST /LINK/begin          binds the link to this browser
    POST /LINK/answer         keeps an answer, on disk before it says so
    GET  /LINK/clip/KEY.mp4   the clip of the present trial, in ranges where asked

Headers are the same for every clip of a size, and nothing is named after what it shows.
"""

import fcntl
import json
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.conduct.sitting import Desk, RefusedError, Why
from likeness.benchmark.studies.web import files

_LARGEST = 16_384  # bytes of an answer
_COOKIE = "browser"
_YEAR = 31_536_000
_STATUS: dict[Why, int] = {
    "altered": 403,
    "elsewhere": 403,
    "expired": 410,
    "replaced": 410,
    "closed": 410,
    "unopened": 409,
    "wrong": 422,
    "gone": 404,
}
_GUARDS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_NOTHING = ("/favicon.ico", "/robots.txt", "/apple-touch-icon.png")  # what browsers ask for
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class StudyServer(ThreadingHTTPServer):
    """Serves a study.

    Args:
        desk: of the study.
        host: to listen on.
        port: likewise; 0 for a free one.
        secure: whether browsers come by https, so that their key is sent no other way.

    Raises:
        StudyError: the port is taken, or another server serves the study.

    """

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self, desk: Desk, host: str = "127.0.0.1", port: int = 0, *, secure: bool = False
    ) -> None:
        self.desk = desk
        self.secure = secure
        self._lock = open(desk.folder.path / "serving", "a+")  # noqa: SIM115 - held while serving
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            super().__init__((host, port), _Handler)
        except BlockingIOError as error:
            self._lock.close()
            raise StudyError(
                f"{desk.folder.path} is being served already; stop that one"
            ) from error
        except OSError as error:
            self._lock.close()
            raise StudyError(
                f"{host}:{port} can't be listened on ({error.strerror}): choose another with --port"
            ) from error

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://{self.server_address[0]}:{self.server_port}"

    def server_close(self) -> None:
        """Stop listening, and let others serve the study."""
        super().server_close()
        self._lock.close()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Serve beside what is done meanwhile."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep silent of browsers that went away; anything else is a bug and is shown."""
        import sys

        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "study"
    sys_version = ""
    timeout = 120
    disable_nagle_algorithm = True
    wbufsize = 65_536  # a head and its body leave together

    def do_GET(self) -> None:
        """Answer what asks for something."""
        path = self.path.partition("?")[0]
        if (asset := files.asset(path)) is not None:
            kind, data = asset
            self._send(200, kind, data, {"Cache-Control": "max-age=300"})
            return
        link, slash, rest = path.removeprefix("/").partition("/")
        if path in _NOTHING:
            self._send(204, "text/plain", b"", {"Cache-Control": "max-age=86400"})
        elif link and not slash:
            self._send(308, "text/plain", b"", {"Location": f"/{link}/"})
        elif not rest:
            self._page(link)
        elif rest == "state":
            self._answer(lambda desk, device: desk.look(link, device))
        elif found := re.fullmatch(r"clip/([0-9a-f]{32}(?:-reference)?)\.mp4", rest):
            self._clip(link, found[1])
        else:
            self._told(404, "There is nothing here", "Open your link again.")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Take what is said."""
        link, _, rest = self.path.removeprefix("/").partition("/")
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= _LARGEST:
            self.close_connection = True  # what was sent stays unread
            self._json(413, {"refused": "wrong", "message": "This answer is too long."})
            return
        data = self.rfile.read(length)
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            said = None
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if not isinstance(said, dict) or kind != "application/json":
            self._json(400, {"refused": "wrong", "message": "This answer can't be read."})
        elif rest == "begin":
            self._answer(lambda desk, device: desk.begin(link, device or ""), needs_device=True)
        elif rest == "answer":
            self._answer(lambda desk, device: desk.answer(link, device, said))
        else:
            self._json(404, {"refused": "gone", "message": "There is nothing here."})

    def log_message(self, format: str, *args: object) -> None:
        """Keep silent: a line would tell the link."""

    def _page(self, link: str) -> None:
        device = self._device()
        try:
            told = self._desk.look(link, device)
        except RefusedError as error:
            self._told(_STATUS[error.why], "This link can't be used now", str(error))
            return
        keep = {"Cache-Control": "no-store"}
        if device is None:
            secure = "; Secure" if cast(StudyServer, self.server).secure else ""
            keep["Set-Cookie"] = (
                f"{_COOKIE}={secrets.token_hex(16)}; Path=/; HttpOnly; SameSite=Lax; "
                f"Max-Age={_YEAR}{secure}"
            )
        self._send(200, "text/html; charset=utf-8", files.page(told["name"]), keep)

    def _answer(self, work: Any, *, needs_device: bool = False) -> None:
        device = self._device()
        if needs_device and device is None:
            message = "This browser keeps no cookies. Allow them for this page, and reload it."
            self._json(422, {"refused": "wrong", "message": message})
            return
        try:
            told = work(self._desk, device)
        except RefusedError as error:
            self._json(_STATUS[error.why], {"refused": error.why, "message": str(error)})
        except StudyError as error:
            self.log_error("%s", error)
            self._json(503, {"refused": "wrong", "message": "The answer could not be saved."})
        else:
            self._json(200, told)

    def _clip(self, link: str, name: str) -> None:
        try:
            path = self._desk.file(link, self._device(), name)
        except RefusedError as error:
            self._json(_STATUS[error.why], {"refused": error.why, "message": str(error)})
            return
        size = path.stat().st_size
        try:
            first, last = _asked(self.headers.get("Range"), size)
        except ValueError:
            self._send(416, "text/plain", b"", {"Content-Range": f"bytes */{size}"})
            return
        told = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
        status = 200
        if self.headers.get("Range"):
            status, told["Content-Range"] = 206, f"bytes {first}-{last}/{size}"
        with open(path, "rb") as file:
            file.seek(first)
            data = file.read(last - first + 1)
        self._send(status, "video/mp4", data, told)

    @property
    def _desk(self) -> Desk:
        return cast(StudyServer, self.server).desk

    def _device(self) -> str | None:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(_COOKIE)
        except CookieError:
            return None
        return cookie.value if cookie and re.fullmatch(r"[0-9a-f]{32}", cookie.value) else None

    def _told(self, status: int, title: str, message: str) -> None:
        self._send(status, "text/html; charset=utf-8", files.told(title, message),
                   {"Cache-Control": "no-store"})  # fmt: skip

    def _json(self, status: int, told: Mapping[str, Any]) -> None:
        data = json.dumps(told, ensure_ascii=False).encode()
        self._send(status, "application/json", data, {"Cache-Control": "no-store"})

    def _send(self, status: int, kind: str, data: bytes, told: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_GUARDS, "Content-Type": kind, **told}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()


def _asked(told: str | None, size: int) -> tuple[int, int]:
    """Read which bytes are wanted: the first and the last.

    Raises:
        ValueError: none of them is there.

    """
    if not told:
        return 0, size - 1
    found = _RANGE.fullmatch(told.strip())
    if not found or not (found[1] or found[2]):
        raise ValueError(told)
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        raise ValueError(told)
    return first, last
