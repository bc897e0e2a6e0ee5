"""Empty workspaces; a Label Studio server, people who are logged in to it, and a browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from dealt import Asked

from likeness.store.workspace import Workspace

CHROMIUM = shutil.which("chromium")
BOOT, ANSWER = 420, 60  # seconds
ADMIN, PASSWORD = "admin@example.org", "a-long-password"


def missing(what: str) -> None:
    """Skip a test, or fail it where everything ought to be there."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"needs {what}")


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A running server; files of `media` are served from /data/local-files/?d=media/NAME."""

    url: str
    media: Path

    def log_in(self, email: str = ADMIN) -> Any:
        import httpx

        client = httpx.Client(base_url=self.url, timeout=ANSWER, follow_redirects=True)
        client.get("/user/login/")
        form = {
            "email": email,
            "password": PASSWORD,
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        }
        client.post("/user/login/", data=form, headers={"Referer": f"{self.url}/user/login/"})
        assert "sessionid" in client.cookies
        client.headers.update({"Referer": self.url, "X-CSRFToken": client.cookies["csrftoken"]})
        return client

    def sign_up(self, email: str) -> None:
        import httpx

        with closing(self.log_in()) as admin:
            invited = admin.get("/api/invite").raise_for_status().json()["invite_url"]
        with httpx.Client(base_url=self.url, timeout=ANSWER, follow_redirects=True) as client:
            client.get(invited)
            form = {
                "email": email,
                "password": PASSWORD,
                "csrfmiddlewaretoken": client.cookies["csrftoken"],
            }
            client.post(invited, data=form, headers={"Referer": self.url}).raise_for_status()

    def project(self, title: str, config: str, tasks: list[dict[str, Any]]) -> int:
        with closing(self.log_in()) as admin:
            asked = {"title": title, "label_config": config, "show_skip_button": False}
            made = admin.post("/api/projects/", json=asked).raise_for_status().json()["id"]
            storage = {"project": made, "path": str(self.media), "title": "media"}
            admin.post("/api/storages/localfiles", json=storage).raise_for_status()
            rows = [{"data": task} for task in tasks]
            admin.post(f"/api/projects/{made}/import", json=rows).raise_for_status()
        return made

    def annotations(self, project: int) -> list[dict[str, Any]]:
        with closing(self.log_in()) as admin:
            query = f"/api/tasks/?project={project}&fields=all"
            tasks = admin.get(query).raise_for_status().json()["tasks"]
            return [
                {**told, "key": task["data"]["key"]}
                for task in tasks
                for told in admin.get(f"/api/tasks/{task['id']}/annotations/").json()
            ]


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    program = Path(sys.executable).with_name("label-studio")
    if not program.exists():
        missing("label-studio")
    home = tmp_path_factory.mktemp("studio")
    (home / "files" / "media").mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "LABEL_STUDIO_USERNAME": ADMIN,
        "LABEL_STUDIO_PASSWORD": PASSWORD,
        "LABEL_STUDIO_BASE_DATA_DIR": str(home / "data"),
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(home / "files"),
        "HOME": str(home),
    }
    command = [program, "start", "--no-browser", "--port", str(port), "--data-dir", home / "data"]
    with open(home / "log", "wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=log, stderr=log, cwd=home
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, server, home / "log")
        yield Studio(url=url, media=home / "files" / "media")
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(20)


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    import httpx

    until = time.monotonic() + BOOT
    while time.monotonic() < until:
        if server.poll() is not None:
            raise AssertionError(f"Label Studio ended: {log.read_text()[-2000:]}")
        try:
            if httpx.get(f"{url}/health", timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(1)
    raise AssertionError(f"Label Studio is not up in {BOOT} s: {log.read_text()[-2000:]}")


@pytest.fixture
def visit(studio: Studio) -> Iterator[Callable[..., Any]]:
    """Open a project's queue in a browser as somebody, on a screen of a size."""
    if CHROMIUM is None:
        missing("the chromium browser")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
    with sync_api.sync_playwright() as playwright, _closing(playwright, options) as browser:

        def open_queue(project: int, email: str, width: int = 1366, height: int = 768) -> Any:
            page = browser.new_page(viewport={"width": width, "height": height})
            page.set_default_timeout(ANSWER * 1000)
            page.goto(f"{studio.url}/user/login/")
            page.fill("input[name=email]", email)
            page.fill("input[name=password]", PASSWORD)
            page.press("input[name=password]", "Enter")
            page.wait_for_url(lambda url: "/user/login" not in url)
            page.goto(f"{studio.url}/projects/{project}/data?labeling=1")
            page.wait_for_function(
                "[...document.querySelectorAll('video')].filter(v => v.readyState > 2).length == 2"
            )
            return page

        yield open_queue


@contextmanager
def _closing(playwright: Any, options: list[str]) -> Iterator[Any]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
    try:
        yield browser
    finally:
        browser.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a workspace once; copying it is faster than making another."""
    folder = tmp_path_factory.mktemp("empty") / "workspace"
    Workspace.create(folder).close()
    return folder


@pytest.fixture
def fresh(empty: Path, tmp_path: Path) -> Callable[[], Workspace]:
    numbers = count()

    def copied() -> Workspace:
        return Workspace.open(shutil.copytree(empty, tmp_path / f"workspace{next(numbers)}"))

    return copied


@pytest.fixture
def workspace(fresh: Callable[[], Workspace]) -> Iterator[Workspace]:
    with fresh() as made:
        yield made


@pytest.fixture
def asked(workspace: Workspace) -> Asked:
    return Asked(workspace)


@pytest.fixture
def ask() -> Callable[[Workspace], Asked]:
    return Asked
