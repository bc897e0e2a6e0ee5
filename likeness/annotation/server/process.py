"""A Label Studio server of our own: started, waited for, stopped."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import httpx

from likeness.annotation.server.client import VERSIONS, ServerError
from likeness.annotation.server.pages import personal_token
from likeness.annotation.server.place import (
    FILE,
    FOLDER,
    MEDIA,
    Place,
    own_place,
    read_place,
    write_place,
)
from likeness.store.progress import Progress, silent

HOST = "127.0.0.1"
LONGEST_START = 600.0  # seconds
LONGEST_STOP = 20.0  # seconds

_LETTING_GO = 5.0  # seconds for which an ended server's port may still be taken
_USUAL_START = 75  # seconds of a first start; later ones take about 15
_PID, _LOG, _DATA = "server.pid", "server.log", "data"
_START = "import sys; from label_studio.server import main; sys.exit(main())"


def start(workspace: Path, port: int | None = None, progress: Progress = silent) -> Place:
    """Start the workspace's server, or find it running, and return where it is.

    Args:
        workspace: its folder.
        port: to listen on; without one, the last one or a free one.
        progress: told of seconds.

    Raises:
        ServerError: Label Studio isn't installed or of another version, the port is taken, or
            the server doesn't start.

    """
    refuse_other_versions()
    place = _own_place(workspace, port)
    if running(workspace):
        if port not in {None, place.port}:
            raise ServerError(f"{workspace}: the server runs at {place.url} already; stop it first")
    else:
        _refuse_taken(place.port)
        write_place(workspace, place)
        _launch(workspace, place)
    _wait(workspace, place, progress)
    if not place.token:
        place = replace(place, token=personal_token(place.url, place.account, place.password))
        write_place(workspace, place)
    return place


def stop(workspace: Path) -> bool:
    """Stop the workspace's server; return whether it was running.

    Raises:
        ServerError: it doesn't stop.

    """
    pid = running(workspace)
    if pid is None:
        return False
    for sign in (signal.SIGTERM, signal.SIGKILL):
        _signal(pid, sign)
        end = time.monotonic() + LONGEST_STOP
        while time.monotonic() < end:
            if running(workspace) is None:
                (workspace / FOLDER / _PID).unlink(missing_ok=True)
                return True
            time.sleep(0.1)
    raise ServerError(f"{workspace}: the server, process {pid}, doesn't stop")


def running(workspace: Path) -> int | None:
    """Return the process of the workspace's server, None where it doesn't run."""
    try:
        pid = int((workspace / FOLDER / _PID).read_text())
    except (FileNotFoundError, ValueError):
        return None
    return pid if str(_data(workspace)) in _command_of(pid) else None


def answers(url: str) -> bool:
    """Return whether a Label Studio server answers at a URL."""
    try:
        return httpx.get(f"{url}/health", timeout=5).is_success
    except httpx.HTTPError:
        return False


def refuse_other_versions() -> None:
    """Refuse to go on without Label Studio, or with one that this is not made for.

    Raises:
        ServerError: it is so.

    """
    try:
        found = version("label-studio")
    except PackageNotFoundError as error:
        raise ServerError(
            "Label Studio is not installed: pip install 'likeness[annotate]', or name a server "
            "that runs elsewhere with --url and --token"
        ) from error
    if not found.startswith(VERSIONS):
        raise ServerError(
            f"Label Studio {found} is installed, but this works with {VERSIONS}x: pip install "
            "'likeness[annotate]'"
        )


def environment(workspace: Path, place: Place) -> dict[str, str]:
    """Return what the server is told by its environment.

    It calls nobody: neither statistics, nor new versions, nor error reports. It may send webhooks
    to loopback and ask a model there. Files are served from the media folder alone.
    """
    media = (workspace / MEDIA).resolve()
    media.mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in os.environ.items() if not name.startswith("LABEL_STUDIO")}
    return own | {
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "SSRF_PROTECTION_ENABLED": "false",
        "ML_BLOCK_LOCAL_IP": "false",
        "SECRET_KEY": place.key,
        "LABEL_STUDIO_BASE_DATA_DIR": str(_data(workspace)),
        "LABEL_STUDIO_USERNAME": place.account,
        "LABEL_STUDIO_PASSWORD": place.password,
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(media),
    }


def _own_place(workspace: Path, port: int | None) -> Place:
    try:
        place = read_place(workspace)
    except ServerError:
        if (workspace / FOLDER / FILE).exists():
            raise
        return own_place(f"http://{HOST}:{port or _free_port()}")
    if not place.ours:
        raise ServerError(
            f"{workspace}: it works with the server at {place.url}, which is run elsewhere; remove "
            f"{workspace / FOLDER / FILE} to start one here"
        )
    return replace(place, url=f"http://{HOST}:{port}") if port else place


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def _refuse_taken(port: int) -> None:
    """Refuse a port that is taken, not one that a server is just letting go of."""
    end = time.monotonic() + _LETTING_GO
    while _listens(port):
        if time.monotonic() > end:
            raise ServerError(
                f"port {port} is taken by another program: stop that, or choose another port with "
                "`likeness annotate up --port`"
            )
        time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex((HOST, port)) == 0


def _launch(workspace: Path, place: Place) -> None:
    folder = workspace / FOLDER
    data = _data(workspace)
    data.mkdir(parents=True, exist_ok=True)
    arguments = ["start", "--no-browser", "--port", str(place.port), "--internal-host", HOST]
    with open(folder / _LOG, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, *arguments, "--data-dir", str(data)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=data,
            env=environment(workspace, place),
            start_new_session=True,
        )
    (folder / _PID).write_text(str(process.pid))


def _wait(workspace: Path, place: Place, progress: Progress) -> None:
    """Wait until the server answers, telling how long already."""
    begun = time.monotonic()
    while (waited := time.monotonic() - begun) < LONGEST_START:
        if running(workspace) is None:
            raise ServerError(f"the server ended as it started: {_last_line(workspace)}")
        if answers(place.url):
            progress(_USUAL_START, _USUAL_START, f"up at {place.url}")
            return
        note = "a first start makes the database, 60 to 75 s"
        progress(min(int(waited), _USUAL_START - 1), _USUAL_START, note)
        time.sleep(0.5)
    raise ServerError(
        f"the server doesn't answer yet after {LONGEST_START:.0f} s: run the same command again to "
        f"wait on, or read {workspace / FOLDER / _LOG}"
    )


def _last_line(workspace: Path) -> str:
    log = workspace / FOLDER / _LOG
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"{lines[-1] if lines else 'it says nothing'} (more in {log})"


def _data(workspace: Path) -> Path:
    return (workspace / FOLDER / _DATA).resolve()


def _command_of(pid: int) -> str:
    """Return how a process was started; empty where there is none, or it has ended."""
    asked = ["ps", "-ww", "-o", "stat=,args=", "-p", str(pid)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return "" if told.startswith("Z") else told


def _signal(pid: int, sign: signal.Signals) -> None:
    """Tell a server, all of its session, to end."""
    try:
        os.killpg(pid, sign)
    except ProcessLookupError:
        return
