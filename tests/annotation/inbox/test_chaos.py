"""Twenty seeded runs of 300 annotations by 6 raters, while everything fails that can.

Syncs are killed with SIGKILL at random moments, the server fails and restarts, answers 500 before
or after it did what was asked, hints are heard by nobody, answers are edited, deleted and given
twice. Afterwards the store is what the API tells: nothing twice, nothing lost.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from dealt import Asked, regions
from recorded import TOKEN, Recorded, flaky

from likeness.annotation.inbox.sync import sync
from likeness.annotation.inbox.verify import verify
from likeness.annotation.server.client import ServerDownError
from likeness.annotation.server.http import HttpServer
from likeness.annotation.server.line import Line
from likeness.annotation.server.posting import Queue, post
from likeness.annotation.server.receiver import Receiver
from likeness.store import judging
from likeness.store.judgements import Delivery
from likeness.store.workspace import Workspace

RUNS, RATERS, COMPARISONS = 20, 6, 50
PAGE = "<View><Text name='t' value='$media'/></View>"
CHOICES = ("left", "right", "tie", "both_bad")


@contextmanager
def served(recorded: Recorded, lock: threading.Lock) -> Iterator[str]:
    """Serve what is recorded on a port, so that another process can ask."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            url = f"http://{self.headers['Host']}{self.path}"
            request = httpx.Request(self.command, url, content=self.rfile.read(size))
            try:
                with lock:
                    answer = recorded.answer(request)
            except httpx.HTTPError:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Date"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_DELETE = handle_one

        def date_time_string(self, timestamp: float | None = None) -> str:
            return ""

        def send_response(self, code: int, message: str | None = None) -> None:
            self.send_response_only(code, message)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def line_to(url: str) -> HttpServer:
    return HttpServer(Line(url, TOKEN, pause=lambda seconds: None), "local")


def killed_sync(workspace: Workspace, url: str, after: float) -> None:
    """Sync in a process of its own, and kill it."""
    pid = os.fork()
    if pid == 0:
        try:
            workspace._engine.dispose(close=False)
            while True:
                try:
                    sync(workspace, line_to(url), full=after > 0.2)
                except ServerDownError:
                    continue
        finally:
            os._exit(1)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def hint(url: str) -> None:
    """Send a webhook as Label Studio does: once, not minding what becomes of it."""
    try:
        httpx.post(url, json={"action": "ANNOTATION_CREATED"}, timeout=0.5)
    except httpx.HTTPError:
        return


def answer(recorded: Recorded, asked: Asked, chance: random.Random, task: int) -> None:
    key = recorded.tasks[task]["data"]["key"]
    said = {"identity": chance.choice(CHOICES), "overall": chance.choice(CHOICES)}
    rater = key.split("-", maxsplit=1)[0]
    recorded.annotate(task, asked.user(rater), regions(said))
    given = sorted(recorded.annotations)
    if chance.random() < 0.1:
        recorded.edit(chance.choice(given), result=regions({"identity": chance.choice(CHOICES)}))
    if chance.random() < 0.05:
        recorded.delete(chance.choice(given), quietly=chance.random() < 0.3)
    if chance.random() < 0.05:
        recorded.annotate(task, asked.user(rater), regions({"overall": chance.choice(CHOICES)}))


def by_the_api(recorded: Recorded) -> dict[tuple[str, str], str]:
    """What stands, computed from the server alone: of a task the annotation changed last."""
    last: dict[str, dict[str, Any]] = {}
    for each in recorded.annotations.values():
        key = recorded.tasks[each["task"]]["data"]["key"]
        rank = (each["updated_at"], each["id"])
        if key not in last or rank > (last[key]["updated_at"], last[key]["id"]):
            last[key] = each
    return {
        (key, region["from_name"]): region["value"]["choices"][0]
        for key, each in last.items()
        for region in each["result"]
    }


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_is_lost_and_nothing_is_there_twice(fresh, seed):
    chance = random.Random(seed)
    with fresh() as workspace:
        asked = Asked(workspace, raters=RATERS, comparisons=COMPARISONS)
        recorded, lock = Recorded(accounts=asked.accounts), threading.Lock()
        with served(recorded, lock) as url:
            for rater in asked.raters:
                tasks = tuple({"key": key} for key in asked.keys if key.startswith(rater))
                wanted = Queue(campaign="first", rater=rater, label_config=PAGE, tasks=tasks)
                post(workspace, line_to(url), wanted)
            waiting = sorted(recorded.tasks)
            chance.shuffle(waiting)
            receiver = Receiver(0, "s")
            with receiver.listening():
                while waiting:
                    with lock:
                        trouble = random.Random(chance.random())
                        recorded.trouble = flaky(trouble, chance.choice([0, 0.1, 0.6]))
                        for task in waiting[:30]:
                            answer(recorded, asked, chance, task)
                    waiting = waiting[30:]
                    hint(chance.choice([receiver.url, "http://127.0.0.1:9/s", receiver.url + "x"]))
                    killed_sync(workspace, url, chance.uniform(0.0, 0.4))
            recorded.trouble = lambda request: None
            sync(workspace, line_to(url), full=True)
            assert sync(workspace, line_to(url)).kept.fresh == 0
            assert verify(workspace, line_to(url)).differences == ()
        assert len(recorded.annotations) > 280
        with workspace.reading() as connection:
            votes = judging.current_votes(connection)
        found = {(v.assignment, v.dimension): v.choice for v in votes if v.choice}
        assert found == by_the_api(recorded)
        kept = workspace.find(Delivery)
        assert max(Counter(each.id for each in kept).values()) == 1
        assert {v.reason for v in votes if v.choice} == {None}
