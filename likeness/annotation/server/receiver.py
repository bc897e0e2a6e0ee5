"""Hearing of changes as they happen.

A webhook of Label Studio is sent once, without waiting, without a number and unsigned; when nobody
hears it, it is gone. So nothing of it is believed: it says that a sync is due, and no more.
"""

import hmac
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from likeness.annotation.server.client import ServerError

HOST = "127.0.0.1"

_LARGEST = 1 << 20  # bytes of a request that are read at all


class Receiver(ThreadingHTTPServer):
    """Listens on loopback for whoever knows the secret.

    Args:
        port: to listen on; 0 for a free one.
        secret: the path that a webhook must be sent to.

    Raises:
        ServerError: the port is taken.

    """

    daemon_threads = True

    def __init__(self, port: int, secret: str) -> None:
        self.due = threading.Event()
        self.secret = secret
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise ServerError(
                f"port {port} is taken ({error.strerror}): choose another with --port"
            ) from error

    @property
    def url(self) -> str:
        """Return the URL that webhooks are to be sent to."""
        return f"http://{HOST}:{self.server_port}/{self.secret}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen beside what is done meanwhile."""
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.shutdown()
            self.server_close()
            thread.join()

    def each_due(self, work: Callable[[], None], every: float) -> None:
        """Do the work now, when something was heard, and every so many seconds; until stopped."""
        while True:
            work()
            self.due.wait(every)
            self.due.clear()


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self) -> None:
        """Note that a sync is due; what is sent is thrown away."""
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(min(length, _LARGEST))
        receiver = cast(Receiver, self.server)
        known = hmac.compare_digest(self.path.encode(), f"/{receiver.secret}".encode())
        if known:
            receiver.due.set()
        self.send_response(204 if known else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep silent: a line would tell the secret."""
