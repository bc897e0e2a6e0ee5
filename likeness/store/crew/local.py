import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from likeness.store.crew.work import CrewError, Item, Lost, Result

_LOOK = 1.0  # seconds between looks whether the parent is still there
_PATIENCE = 5.0  # seconds for a process to end by itself


class Alone:
    """Work in this process."""

    def follow(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Do the work on one item after the other."""
        for place, item in enumerate(items):
            yield place, work(item)


class Together:
    """Several processes of this machine, begun afresh: they share nothing but what they are sent.

    Args:
        workers: how many.

    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def follow(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Give items to whoever is free.

        Raises:
            CrewError: a process ended before it could begin.

        """
        todo = iter(enumerate(items))
        hands = [_Hand(work) for _ in range(min(self.workers, len(items)))]
        try:
            for hand in hands:
                hand.take(next(todo, None))
            while busy := [hand for hand in hands if hand.place is not None]:
                for hand in _heard(busy):
                    place, came = hand.place, hand.hear()
                    if came is None or place is None:
                        continue
                    task = next(todo, None)
                    if isinstance(came[0], Lost) and task is not None:
                        hand.end()
                        hands[hands.index(hand)] = hand = _Hand(work)  # noqa: PLW2901 - a fresh one in its stead
                    hand.take(task)
                    yield place, came[0]
        finally:
            for hand in hands:
                hand.end()


def _heard(hands: "list[_Hand]") -> "list[_Hand]":
    ready = wait([hand.line for hand in hands])
    return [hand for hand in hands if hand.line in ready]


class _Hand:
    """A process that works, and the line to it.

    Attributes:
        line: what is sent to it and what it answers.
        place: of the item it works on, or None.

    """

    def __init__(self, work: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, far = context.Pipe()
        self.place: int | None = None
        self._begun = False
        self._process = context.Process(target=_labour, args=(far, work, os.getpid()), daemon=True)
        self._process.start()
        far.close()

    def take(self, task: tuple[int, Any] | None) -> None:
        """Give it an item and its place, or nothing."""
        self.place = None if task is None else task[0]
        if task is not None:
            try:
                self.line.send(task[1])
            except OSError:  # it is dead: hearing it will tell
                return

    def hear(self) -> tuple[Any] | None:
        """Take what it says: what came of its item, or nothing yet.

        Raises:
            CrewError: it ended before it could begin.

        """
        try:
            kind, value = self.line.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            how = _ending(self._process.exitcode or 0)
            if not self._begun:
                raise CrewError(
                    f"a process of the crew could not begin ({how}); use --workers 1"
                ) from None
            return (Lost(reason=f"the process that worked on it {how}"),)
        if kind == "begun":
            self._begun = True
            return None
        if kind == "failed":
            raise value
        return (value,)

    def end(self) -> None:
        """Let it go."""
        self.line.close()
        if self.place is not None:
            self._process.terminate()
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory"
    return f"was ended by signal {-code}" if code < 0 else f"ended by itself with code {code}"


def _labour(line: Connection, work: Callable[..., Any], parent: int) -> None:
    """Work on what comes down the line until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told too, and ends this one
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    line.send(("begun", None))
    while True:
        try:
            item = line.recv()
        except EOFError:
            return
        try:
            told = ("done", work(item))
        except Exception as error:
            told = ("failed", error)
        try:
            line.send(told)
        except OSError:  # nobody listens any more
            return


def _end_with(parent: int) -> None:
    """End when the parent does, even by SIGKILL: nobody would take what is made."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)
