"""Workspaces, a dashboard's server, and a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from workspaces import Filled, fill

CHROMIUM = shutil.which("chromium")
BOOT = 120  # seconds
WAIT = 60_000  # milliseconds


def _lacking(what: str) -> None:
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {what}")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Give a workspace that tests read only."""
    return fill(tmp_path_factory.mktemp("dashboards") / "workspace")


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Give a context that serves a workspace and yields the URL."""

    @contextmanager
    def serve(workspace: Path) -> Iterator[str]:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["dashboard", str(workspace), "--port", str(port)]
        code = "import sys; from likeness.cli import run; sys.exit(run(sys.argv[1:]))"
        log = tmp_path_factory.mktemp("served") / "log"
        with open(log, "wb") as file:
            server = subprocess.Popen(
                [sys.executable, "-c", code, *words], stdout=file, stderr=file
            )
        try:
            _await(f"http://localhost:{port}", server, log)
            yield f"http://localhost:{port}"
        finally:
            server.terminate()
            server.wait(30)

    return serve


@pytest.fixture(scope="session")
def served(serving: Callable[..., Any], filled: Filled) -> Iterator[str]:
    with serving(filled.path) as url:
        yield url


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Put `__main__` back, which running a page replaces: processes begun later would import it."""
    mine = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = mine


@pytest.fixture(scope="module")  # no longer: other modules open browsers of their own
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api") if not os.environ.get("CI") else None
    if sync is None:
        import playwright.sync_api as sync
    if CHROMIUM is None:
        _lacking("chromium")
    with sync.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Give a page that fails the test where a script fails or anything leaves this machine."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("dialog", lambda dialog: wrong.append(f"dialog {dialog.message}"))
    opened.on(
        "request",
        lambda asked: (
            None
            if asked.url.startswith(("http://localhost", "blob:", "data:"))
            else wrong.append(f"asked {asked.url}")
        ),
    )
    yield opened
    context.close()
    assert not wrong


def _await(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + BOOT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            pytest.fail(f"the server ended: {log.read_text()}")
        try:
            with urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"no answer in {BOOT} s: {log.read_text()}")
