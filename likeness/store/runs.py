"""The folder of a run: what it was asked, how it stands, what it measured.

- `run.json`: recipe, seeds, commit, dataset hash; written once
- `recipe.toml`: the resolved recipe, to read and to run again
- `status.json`: state and step of the last checkpoint
- `metrics.jsonl`: one line a step, written as it comes
- `state.safetensors`: everything needed to go on bit for bit
- `checkpoints/step_000050.safetensors`: the adapter at that step
- `lock`: who trains it; held, and touched every few seconds, as long as that process lives
- `command.json`: the words that started it
"""

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from likeness.store.atomic import DiskFullError, write_bytes
from likeness.store.errors import LikenessError
from likeness.store.records import Run, RunState
from likeness.store.toml import to_toml

BEAT = 5.0  # seconds between signs of life
LOST_AFTER = 60.0  # seconds without one, of a process on another machine


class RunError(LikenessError):
    """A run that can't be started, continued or written."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a run stands.

    Attributes:
        state: a run that says it is running is lost where its process is gone without a word,
            and stopping where it has been asked to stop.
        step: of the last checkpoint.
        message: why it failed or stopped; empty otherwise.
        updated: when this was written, ISO 8601 in UTC.

    """

    state: RunState
    step: int = 0
    message: str = ""
    updated: str = ""


class RunFolder:
    """A run on disk, the single source of its state. Only one process may train it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.metrics = Metrics(path / "metrics.jsonl")

    @classmethod
    def create(cls, path: Path, run: Run) -> "RunFolder":
        """Make the folder of a new run, queued.

        Raises:
            RunError: it is there already, or can't be written.

        """
        if (path / "run.json").exists():
            raise RunError(f"run {path} is there already; resume it or choose another name")
        folder = cls(path)
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"run {path} can't be made: {error.strerror}") from error
        write_bytes(path / "recipe.toml", to_toml(run.recipe).encode())
        folder._write(Status(state="queued"))
        # Last, so that a folder without it is one whose making was cut short.
        write_bytes(path / "run.json", json.dumps(run.to_dict(), indent=1).encode())
        return folder

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open the folder of an existing run."""
        if not (path / "run.json").is_file():
            raise RunError(f"{path} is no run: it has no run.json; start one with `likeness align`")
        return cls(path)

    @classmethod
    def open_or_create(cls, path: Path, run: Run) -> "RunFolder":
        """Open the run of this folder, or make it where a kill or nobody left one.

        Training refuses to go on with other settings, data or base than the run began with.
        """
        return cls(path) if (path / "run.json").is_file() else cls.create(path, run)

    @property
    def record(self) -> Run:
        """The run as the workspace knows it, in its present state."""
        asked = json.loads((self.path / "run.json").read_text())
        return Run.from_dict(asked | {"state": self.status.state})

    @property
    def status(self) -> Status:
        """How the run stands now."""
        status = Status(**json.loads((self.path / "status.json").read_text()))
        if status.state != "running":
            return status
        if why := self._lost():
            return replace(status, state="lost", message=why)
        return replace(status, state="stopping") if self.stop_requested else status

    def note_command(self, words: Sequence[str]) -> None:
        """Keep the words that start the run, for whoever resumes it."""
        write_bytes(self.path / "command.json", json.dumps(list(words)).encode())

    @property
    def command(self) -> list[str]:
        """The words that started the run.

        Raises:
            RunError: they were not kept.

        """
        path = self.path / "command.json"
        if not path.exists():
            raise RunError(f"run {self.path} keeps no command; give the one that started it again")
        return json.loads(path.read_text())

    def request_stop(self) -> None:
        """Ask a running process to save and stop after its present step."""
        (self.path / "stop").touch()

    @property
    def stop_requested(self) -> bool:
        """Whether somebody has asked for a stop."""
        return (self.path / "stop").exists()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the run: marks it running, and failed or stopped where the body raises.

        Raises:
            RunError: another process holds it.

        """
        with (self.path / "lock").open("a") as lock:
            if not _lock(lock):
                raise RunError(
                    f"run {self.path} is being trained by another process; stop that one first"
                )
            lock.truncate(0)
            lock.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
            lock.flush()
            (self.path / "stop").unlink(missing_ok=True)
            for leftover in self.path.rglob(".*.part.*"):  # of a process killed while writing
                leftover.unlink()
            try:
                self.mark("running")
                with _beating(self.path / "lock"):
                    yield
            except KeyboardInterrupt:
                self.mark("stopped", message="interrupted")
                raise
            except Exception as error:
                # On a full disk this can't be written either: the run then counts as lost.
                with suppress(DiskFullError):
                    self.mark("failed", message=str(error))
                raise

    def mark(self, state: RunState, *, step: int | None = None, message: str = "") -> None:
        """Write the state; without a step the last one stays."""
        before = json.loads((self.path / "status.json").read_text())["step"]
        self._write(Status(state=state, step=before if step is None else step, message=message))

    def _write(self, status: Status) -> None:
        stamped = replace(status, updated=datetime.now(UTC).isoformat(timespec="seconds"))
        write_bytes(self.path / "status.json", json.dumps(asdict(stamped)).encode())

    @property
    def holder(self) -> int | None:
        """Number of the process on this machine that trains the run, or None."""
        holder = self._holder()
        here = holder.get("host") == socket.gethostname() and self._is_held()
        return int(holder["pid"]) if here else None

    def _lost(self) -> str:
        """Why a run that says it is running is not; empty where it is."""
        holder = self._holder()
        if holder.get("host", socket.gethostname()) == socket.gethostname():
            return "" if self._is_held() else "its process ended without a word"
        silence = time.time() - (self.path / "lock").stat().st_mtime
        if silence <= LOST_AFTER:
            return ""
        return f"no sign of life from {holder['host']} for {silence:.0f} s"

    def _holder(self) -> dict[str, Any]:
        try:
            return json.loads((self.path / "lock").read_text())
        except (OSError, json.JSONDecodeError):  # nobody yet, or one who is just beginning
            return {}

    def _is_held(self) -> bool:
        with (self.path / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False


@contextmanager
def _beating(lock: Path) -> Iterator[None]:
    """Touch a file every few seconds: other machines can't see who holds it."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(BEAT):
            with suppress(OSError):  # such as a folder that is unreachable for a moment
                os.utime(lock)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


class Metrics:
    """A JSONL file with a line a step: `{"step": 1, "loss": ...}`.

    `followers` are called with each row once it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.followers: list[Callable[[Mapping[str, float]], None]] = []

    def append(self, row: Mapping[str, float]) -> None:
        """Write one line and flush it.

        Raises:
            RunError: the line can't be written.

        """
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(dict(row)) + "\n")
        except OSError as error:
            raise RunError(
                f"metrics can't be written to {self.path}: {error.strerror}; "
                "make room and resume the run"
            ) from error
        for follower in self.followers:
            follower(row)

    def read(self) -> list[dict[str, float]]:
        """All whole lines; the last may be cut short where a process was killed."""
        if not self.path.exists():
            return []
        rows = []
        for line in self.path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    def cut_after(self, step: int) -> None:
        """Drop the lines after a step, which a resumed run writes again."""
        if self.path.exists():
            rows = [row for row in self.read() if row["step"] <= step]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            write_bytes(self.path, text.encode())


def _lock(file: IO[str]) -> bool:
    """Take the lock; a reader of the status may hold it for a moment, a trainer for long."""
    for _ in range(10):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False
