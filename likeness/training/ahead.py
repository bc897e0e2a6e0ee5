"""Making the next batch while the present one is learnt from."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Ahead:
    """Makes the next batch while the present one is learnt from.

    All are made in one thread, the first too: how many threads torch uses there could change bits.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._next: tuple[int, Future[Any]] | None = None

    def start(self, step: int, make: Callable[[int], Any]) -> None:
        """Begin with the batch of a step."""
        self._next = (step, self._pool.submit(make, step))

    def take(self, step: int, make: Callable[[int], Any]) -> Any:
        """Wait for the batch of a step; errors of its making are raised here."""
        if self._next is None or self._next[0] != step:
            self.start(step, make)
        assert self._next is not None
        (_, made), self._next = self._next, None
        return made.result()
