"""What the command prints: results on stdout, progress on stderr."""

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from likeness.store.progress import Progress

_PAUSE = 5.0  # seconds between plain lines, at least
_LONGEST_SILENCE = 60.0  # seconds after which slow progress is told too
_STEP = 0.1  # share of the work between plain lines


def say(text: str = "") -> None:
    """Print a line of results."""
    print(text, flush=True)


def print_json(value: Any) -> None:
    """Print JSON; NaN becomes null, paths become text."""
    print(to_json(value))


def to_json(value: Any) -> str:
    """Write JSON; NaN becomes null, paths become text."""
    return json.dumps(_plain(value), indent=1, ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


@contextmanager
def bars(description: str) -> Iterator[Progress]:
    """Give a Progress that draws a bar on a terminal and writes plain lines elsewhere."""
    if sys.stderr.isatty():
        with _drawn(description) as progress:
            yield progress
    else:
        yield PlainLines(description, sys.stderr)


@contextmanager
def _drawn(description: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    drawing = Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim", markup=False),
        console=Console(stderr=True),
    )
    with drawing:
        task = drawing.add_task(description, total=None, note="")

        def progress(done: int, total: int, note: str) -> None:
            drawing.update(task, completed=done, total=total, note=note)

        yield progress


class PlainLines:
    """Progress for logs: a line at the start and the end, and now and then between.

    Args:
        description: what is going on.
        stream: where lines go.
        clock: seconds.

    """

    def __init__(
        self, description: str, stream: TextIO, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._description = description
        self._stream = stream
        self._clock = clock
        self._told: tuple[float, float] | None = None  # share and time of the last line

    def __call__(self, done: int, total: int, note: str) -> None:
        """Write a line where there is something worth telling."""
        share = done / total if total else 1.0
        now = self._clock()
        if self._told is not None and not self._worth(share, now):
            return
        self._told = (share, now)
        after = f"  {note}" if note else ""
        print(f"{self._description}: {done}/{total}{after}", file=self._stream, flush=True)

    def _worth(self, share: float, now: float) -> bool:
        assert self._told is not None
        last, then = self._told
        if share >= 1 or share < last:
            return share != last
        silence = now - then
        return silence >= _LONGEST_SILENCE or (silence >= _PAUSE and share - last >= _STEP)
