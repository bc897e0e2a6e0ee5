"""Work for crews to do, in a module that their processes can import."""

import os
import signal
import time
from pathlib import Path

from likeness.store.errors import LikenessError


def square(number: int) -> tuple[int, int]:
    """Return the square and who did it."""
    return number * number, os.getpid()


def slow_first(number: int) -> int:
    """Take longer over the first."""
    time.sleep(0 if number else 1.0)
    return number


def fatal_three(number: int) -> int:
    """Die over 3."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def stubborn(number: int) -> int:
    """Refuse 2."""
    if number == 2:
        raise LikenessError("no twos")
    return number


class Slow:
    """Notes who is at work, and takes its time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, number: int) -> int:
        """Wait for long."""
        (self.folder / str(os.getpid())).touch()
        time.sleep(60)
        return number


class Unfit:
    """Can't be made in another process."""

    def __reduce__(self) -> tuple:
        return os._exit, (3,)

    def __call__(self, number: int) -> int:
        """Do nothing."""
        return number
