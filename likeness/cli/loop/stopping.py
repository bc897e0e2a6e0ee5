"""How runs are asked to stop, and what becomes of those that don't answer."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from likeness.store.runs import RunFolder

PAUSE = 0.1


@contextmanager
def stopping(run: RunFolder) -> Iterator[None]:
    """Turn the first interruption into a request to stop; the second is one.

    Before there is a run to ask, so is the first.
    """

    def ask(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        if not (run.path / "run.json").exists():
            raise KeyboardInterrupt
        run.request_stop()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def await_end(run: RunFolder, seconds: float) -> str:
    """Wait until a run that was asked to stop has ended; kill it when it takes too long.

    Returns:
        What became of it, in words.

    """
    deadline = time.monotonic() + seconds
    while (status := run.status).state in ("running", "stopping"):
        if time.monotonic() > deadline:
            return _killed(run, seconds)
        time.sleep(PAUSE)
    return f"{status.state} at step {status.step}"


def _killed(run: RunFolder, seconds: float) -> str:
    """End the process that holds a run, if it is one of this machine and not this one."""
    process = run.holder
    if process is None or process == os.getpid():
        return f"no answer in {seconds:g} s, and its process is not one that can be killed here"
    os.kill(process, signal.SIGKILL)
    while run.holder == process:
        time.sleep(PAUSE)
    message = f"killed after {seconds:g} s without an answer"
    run.mark("stopped", message=message)
    return f"{message}; its last checkpoint is of step {run.status.step}"
