"""A real Label Studio server, 300 annotations by 6 raters at once, while everything fails that can.

The listener is killed with SIGKILL at random moments, stands in for itself as one that answers too
late, with 500 or not at all, hears hints twice and hints of nothing; the server is killed and
started again; answers are edited, deleted and given twice. LIKENESS_CHAOS_RUNS=20 makes 20 runs.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from dealt import Asked, address, regions

from likeness.annotation.inbox.sync import sync
from likeness.annotation.inbox.verify import verify
from likeness.annotation.server import process
from likeness.annotation.server.client import ServerDownError, ServerError
from likeness.annotation.server.line import Line
from likeness.annotation.server.pages import personal_token
from likeness.annotation.server.place import Place, read_place
from likeness.annotation.server.posting import Queue, on_server, post
from likeness.store import judging
from likeness.store.judgements import Delivery
from likeness.store.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

RUNS = int(os.environ.get("LIKENESS_CHAOS_RUNS", "1"))
RATERS, COMPARISONS = 6, 50
LIKENESS = [sys.executable, "-c", "from likeness.cli import main; main()"]
PASSWORD = "a-long-password-1"
OPTIONS = ("left", "right", "tie", "both_bad")
LATE = 2.5  # seconds, longer than the server waits for a webhook
PAGE = "<View><HyperText name='page' value='$media'/>{}</View>".format(
    "".join(
        f"<Choices name='{name}' toName='page'>"
        + "".join(f"<Choice value='{option}'/>" for option in OPTIONS)
        + "</Choices>"
        for name in ("identity", "overall")
    )
)


@dataclass(frozen=True)
class Prepared:
    """A stopped server with its workspace, to be copied for each run."""

    folder: Path
    tokens: dict[str, str]
    tasks: dict[str, int]


@pytest.fixture(scope="module")
def prepared(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    try:
        process.refuse_other_versions()
    except ServerError as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    folder = shutil.copytree(empty, tmp_path_factory.mktemp("chaos") / "prepared")
    tokens, tasks = {}, {}
    with Workspace.open(folder) as workspace:
        asked = Asked(workspace, raters=RATERS, comparisons=COMPARISONS)
        place = process.start(folder)
        try:
            server = place.server()
            for rater in asked.raters:
                server.sign_up(address(rater), PASSWORD)
                tokens[rater] = personal_token(place.url, address(rater), PASSWORD)
                own = tuple({"key": k, "media": "m"} for k in asked.keys if k.startswith(rater))
                queue = Queue(campaign="first", rater=rater, label_config=PAGE, tasks=own)
                made = post(workspace, server, queue).project
                tasks |= {task.key: task.id for task in server.tasks(made)}
        finally:
            process.stop(folder)
    return Prepared(folder, tokens, tasks)


class Person:
    """A rater who presses again until it went through, changes their mind, and takes back."""

    def __init__(self, url: str, token: str, chance: random.Random) -> None:
        self._line = Line(url, token, pause=lambda seconds: time.sleep(min(seconds, 0.5)))
        self._chance = chance
        self._given: list[int] = []

    def answer(self, tasks: list[int]) -> None:
        for task in tasks:
            self._annotate(task)
            if self._chance.random() < 0.1:
                some = self._chance.choice(self._given)
                self._press("PATCH", f"/api/annotations/{some}/", self._said(), absent=True)
            if self._chance.random() < 0.05:
                some = self._chance.choice(self._given)
                self._press("DELETE", f"/api/annotations/{some}/", None, absent=True)
            if self._chance.random() < 0.05:
                self._annotate(task)

    def _annotate(self, task: int) -> None:
        given = self._press("POST", f"/api/tasks/{task}/annotations/", self._said())
        self._given.append(given.json()["id"])

    def _said(self) -> dict[str, Any]:
        said = {name: self._chance.choice(OPTIONS) for name in ("identity", "overall")}
        return {"result": regions(said), "lead_time": 4.0}

    def _press(self, method: str, path: str, body: Any, absent: bool = False) -> httpx.Response:
        while True:
            try:
                return self._line.ask(method, path, body=body, absent=absent)
            except ServerDownError:
                continue


class BadEar(ThreadingHTTPServer):
    """Stands where the listener stood, and answers too late, with 500, or hangs up."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, chance: random.Random) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                way = chance.choice(["late", "failing", "gone"])
                if way == "late":
                    time.sleep(LATE)
                if way != "gone":
                    self.send_response(500 if way == "failing" else 204)
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        super().__init__(("127.0.0.1", port), Handler)


class Trouble:
    """What goes wrong while people answer."""

    def __init__(self, folder: Path, place: Place, port: int, chance: random.Random) -> None:
        self._folder, self._place, self._port, self._chance = folder, place, port, chance
        self.happened: Counter[str] = Counter()

    def make(self, over: threading.Event) -> None:
        kinds = [self.killed_listener, self.bad_ear, self.killed_listener, self.hints, self.restart]
        turn = 0
        while not over.is_set():
            kind = kinds[turn % len(kinds)]
            turn += 1
            if kind != self.restart or self.happened["restart"] < 2:
                kind(over)
                self.happened[kind.__name__] += 1

    def killed_listener(self, over: threading.Event) -> None:
        words = ["annotate", "listen", str(self._folder), "--port", str(self._port), "--every", "1"]
        with open(self._folder / "listener.log", "ab") as log:
            listener = subprocess.Popen([*LIKENESS, *words], stdout=log, stderr=log)
        over.wait(self._chance.uniform(2, 12))
        os.kill(listener.pid, signal.SIGKILL)
        listener.wait()

    def bad_ear(self, over: threading.Event) -> None:
        ear = BadEar(self._port, random.Random(self._chance.random()))
        thread = threading.Thread(target=ear.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        over.wait(self._chance.uniform(1, 4))
        ear.shutdown()
        ear.server_close()
        thread.join()

    def hints(self, over: threading.Event) -> None:
        """Hint twice of the same, and of what never was, at the right place and at a wrong one."""
        for path in (self._place.hook, self._place.hook, "elsewhere"):
            try:
                httpx.post(f"http://127.0.0.1:{self._port}/{path}", json={}, timeout=0.5)
            except httpx.HTTPError:
                over.wait(0.1)

    def restart(self, over: threading.Event) -> None:
        os.killpg(process.running(self._folder) or 0, signal.SIGKILL)
        over.wait(self._chance.uniform(0, 2))
        process.start(self._folder)


@pytest.fixture
def running(prepared: Prepared, tmp_path: Path) -> Iterator[tuple[Path, Place]]:
    folder = shutil.copytree(prepared.folder, tmp_path / "workspace")
    yield folder, process.start(folder)
    process.stop(folder)


def by_the_api(tasks: list[Any]) -> dict[tuple[str, str], str]:
    """What stands, computed from the server alone: of a task the annotation changed last."""
    found = {}
    for task in tasks:
        if task.annotations:
            last = max(task.annotations, key=lambda each: (each["updated_at"], each["id"]))
            for region in last["result"]:
                found[task.key, region["from_name"]] = region["value"]["choices"][0]
    return found


@pytest.mark.parametrize("seed", range(RUNS))
def test_the_store_equals_the_server_after_all_that(prepared: Prepared, running, seed: int):
    folder, place = running
    chance = random.Random(seed)
    trouble = Trouble(folder, place, 20_000 + os.getpid() % 20_000, random.Random(seed))
    over = threading.Event()
    with ThreadPoolExecutor(RATERS + 1) as pool:
        troubled = pool.submit(trouble.make, over)
        people = []
        for rater, token in prepared.tokens.items():
            own = [number for key, number in prepared.tasks.items() if key.startswith(rater)]
            chance.shuffle(own)
            person = Person(place.url, token, random.Random(chance.random()))
            people.append(pool.submit(person.answer, own))
        for each in people:
            each.result()
        over.set()
        troubled.result()
    process.start(folder)
    server = read_place(folder).server()
    with Workspace.open(folder) as workspace:
        sync(workspace, server, full=True)
        assert sync(workspace, server).kept.fresh == 0
        assert verify(workspace, server).differences == ()
        with workspace.reading() as connection:
            ours = on_server(connection, place.name)
            votes = judging.current_votes(connection)
        there = [task for each in ours for task in server.tasks(each.project)]
        found = {(v.assignment, v.dimension): v.choice for v in votes if v.choice}
        assert found == by_the_api(there)
        assert len(found) > 500  # 300 views, two dimensions, less what was taken back
        assert {v.reason for v in votes if v.choice} == {None}
        assert max(Counter(each.id for each in workspace.find(Delivery)).values()) == 1
    assert trouble.happened["killed_listener"] > 1, trouble.happened
    print(f"seed {seed}: {len(found)} votes, {dict(trouble.happened)}")
