"""Who makes clips: this process, several, or those of many machines."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol

import torch

from likeness.training.corpus.listing import Listed
from likeness.training.corpus.records import ClipRecord
from likeness.training.corpus.settings import CorpusError

Make = Callable[[Listed], ClipRecord]

_LOOK = 1.0  # seconds between looks whether the parent is still there


class Crew(Protocol):
    """Does the work on clips, in any order."""

    def follow(self, make: Make, clips: Sequence[Listed]) -> Iterator[ClipRecord]:
        """Make clips, and yield what became of each as it ends."""
        ...


def crew_of(workers: int, ray: str | None, device: str = "cpu") -> Crew:
    """Choose a crew.

    Args:
        workers: processes of this machine, or of all that Ray has.
        ray: address of a Ray cluster, `auto` for the one that this machine belongs to; None to do
            without.
        device: that they work on; Ray gives each actor a GPU of its own where it is `cuda`.

    Raises:
        CorpusError: no workers, or Ray isn't installed.

    """
    if workers < 1:
        raise CorpusError(f"--workers must be 1 or more, got {workers}")
    if ray is not None:
        return OnRay(workers, ray, gpus=int(device.startswith("cuda")))
    return Alone() if workers == 1 else Together(workers)


class Alone:
    """Work in this process, on one thread, so that the bytes are those of any other crew."""

    def follow(self, make: Make, clips: Sequence[Listed]) -> Iterator[ClipRecord]:
        """Make clips one after the other."""
        for clip in clips:
            with _one_thread():
                record = make(clip)
            yield record


class Together:
    """Several processes of this machine."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def follow(self, make: Make, clips: Sequence[Listed]) -> Iterator[ClipRecord]:
        """Give clips to whoever is free.

        Raises:
            CorpusError: a process died.

        """
        pool = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(make, os.getpid()),
        )
        try:
            for future in as_completed([pool.submit(_follow, clip) for clip in clips]):
                yield future.result()
        except BrokenProcessPool as error:
            raise CorpusError(
                "a process died, perhaps for want of memory: run the same command again with fewer "
                "--workers; clips that are done are kept"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


_MAKE: list[Make] = []  # of a process of the crew


def _begin(make: Make, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent tells of an interruption
    torch.set_num_threads(1)
    _MAKE.append(make)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End when the parent does, even by SIGKILL: nobody would take what is made."""
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _follow(clip: Listed) -> ClipRecord:
    return _MAKE[0](clip)


class OnRay:
    """Processes of a Ray cluster; clips and corpus lie where all its machines see them.

    Args:
        workers: how many actors; each asks for a processor.
        address: of the cluster.
        gpus: that each asks for.
        library: Ray itself, for tests.

    Raises:
        CorpusError: Ray isn't installed.

    """

    def __init__(self, workers: int, address: str, *, gpus: int = 0, library: Any = None) -> None:
        self.workers = workers
        self.gpus = gpus
        self.address = address
        self._ray = _ray() if library is None else library

    def follow(self, make: Make, clips: Sequence[Listed]) -> Iterator[ClipRecord]:
        """Give clips to whichever actor is free.

        Raises:
            CorpusError: the cluster can't be reached, or an actor failed.

        """
        ray = self._ray
        try:
            ray.init(address=self.address, ignore_reinit_error=True)
        except ConnectionError as error:
            raise CorpusError(
                f"--ray {self.address}: no cluster there ({error}); `ray start --head` makes one"
            ) from error
        hire = ray.remote(Actor).options(num_cpus=1, num_gpus=self.gpus)
        actors = [hire.remote(make) for _ in range(self.workers)]
        todo = iter(clips)
        running = {}
        try:
            for actor in actors:
                if (clip := next(todo, None)) is not None:
                    running[actor.make.remote(clip)] = actor
            while running:
                (ready,), _ = ray.wait(list(running), num_returns=1)
                actor = running.pop(ready)
                if (clip := next(todo, None)) is not None:
                    running[actor.make.remote(clip)] = actor
                yield self._result(ready)
        finally:
            for actor in actors:
                ray.kill(actor)

    def _result(self, ready: Any) -> ClipRecord:
        try:
            return self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            cause = getattr(error, "cause", None) or error
            raise CorpusError(
                f"an actor failed ({cause}): run the same command again when that is mended; clips "
                "that are done are kept"
            ) from error


class Actor:
    """Makes clips in a process of a cluster; a plain class until Ray wraps it."""

    def __init__(self, make: Make) -> None:
        self._make = make
        torch.set_num_threads(1)

    def make(self, clip: Listed) -> ClipRecord:
        """Make a clip."""
        return self._make(clip)


def _ray() -> Any:
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise CorpusError(
            "--ray needs Ray, which isn't installed: `pip install ray` on every machine, or leave "
            "--ray out and use --workers"
        ) from error
    return ray


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
