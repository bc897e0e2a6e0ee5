"""Which devices there are, and a process on each that follows orders."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import torch

from likeness.alignment.adapter import load_adapter
from likeness.cli.making.maker import Maker, Outcome
from likeness.cli.making.orders import Order
from likeness.cli.making.settings import Making
from likeness.model import Generator
from likeness.store.errors import LikenessError


class DeviceError(LikenessError):
    """A device that this machine doesn't have."""


def devices(wanted: str | None) -> list[str]:
    """Choose devices: all of CUDA's or else the processor, or those of a list with commas.

    A device that is named twice gets two processes.

    Raises:
        DeviceError: one isn't there.

    """
    here = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if wanted is None:
        return here or ["cpu"]
    chosen = [name.strip() for name in wanted.split(",")]
    chosen = ["cuda:0" if name == "cuda" else name for name in chosen]
    for name in chosen:
        if name not in ("cpu", *here):
            raise DeviceError(
                f"--devices: there is no {name!r} on this machine; "
                f"there are {', '.join((*here, 'cpu'))}"
            )
    return chosen


def load(checkpoint: str, adapter: Path | None) -> Generator:
    """Load a checkpoint and put an adapter on it where one is given."""
    generator = Generator.load(checkpoint)
    if adapter is not None:
        load_adapter(generator, adapter)
    return generator


def made_on(
    chosen: list[str], making: Making, batches: list[list[Order]]
) -> Iterator[list[Outcome]]:
    """Follow batches of orders on devices, and yield what became of each as it ends.

    One device works in this process; several have a process each, which takes the next batch when
    it is done with one. What another run is making is waited for at the end. A process that dies
    fails its batch, and the device gets another one.

    Raises:
        LikenessError: the checkpoint or the adapter can't be loaded.

    """
    if len(chosen) == 1 or len(batches) == 1:
        yield from _alone(chosen[0], making, batches)
        return
    crew = _Crew(chosen[: len(batches)], making)
    try:
        yield from crew.follow(batches)
    finally:
        crew.dismiss()


def _alone(device: str, making: Making, batches: list[list[Order]]) -> Iterator[list[Outcome]]:
    maker = Maker(making, load(making.checkpoint, making.adapter), device)
    later: list[Order] = []
    for batch in batches:
        outcomes = maker.follow(batch)
        later += _busy(outcomes)
        yield _settled(outcomes)
    for order in later:
        yield maker.follow([order], wait=True)


def _busy(outcomes: list[Outcome]) -> list[Order]:
    return [outcome.order for outcome in outcomes if outcome.state == "busy"]


def _settled(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.state != "busy"]


class _Crew:
    """A process a device."""

    def __init__(self, chosen: list[str], making: Making) -> None:
        self._making = making
        self._threads = max(1, torch.get_num_threads() // len(chosen))
        self._pools = [(device, self._hired()) for device in chosen]

    def follow(self, batches: list[list[Order]]) -> Iterator[list[Outcome]]:
        """Give batches to whoever is free."""
        todo = deque((batch, False) for batch in batches)
        running: dict[Future[list[Outcome]], tuple[int, list[Order]]] = {}
        free = list(range(len(self._pools)))
        while todo or running:
            while free and todo:
                place, (batch, last) = free.pop(), todo.popleft()
                running[self._sent(place, batch, last)] = (place, batch)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place, batch = running.pop(future)
                free.append(place)
                outcomes = self._result(future, place, batch)
                # One by one: two runs that wait for each other's clips while they hold their own
                # would wait for ever.
                todo.extend(([order], True) for order in _busy(outcomes))
                yield _settled(outcomes)

    def dismiss(self) -> None:
        """End the processes; a batch that runs is not waited for."""
        for _, pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _sent(self, place: int, batch: list[Order], last: bool) -> Future[list[Outcome]]:
        device, pool = self._pools[place]
        return pool.submit(_follow, self._making, device, batch, last)

    def _result(
        self, future: Future[list[Outcome]], place: int, batch: list[Order]
    ) -> list[Outcome]:
        try:
            return future.result()
        except BrokenProcessPool:
            device = self._pools[place][0]
            self._pools[place] = (device, self._hired())
            reason = (
                f"the process on {device} died, perhaps for want of memory; try a lower --batch"
            )
            return [Outcome(order=order, state="failed", reason=reason) for order in batch]

    def _hired(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._threads,),
        )


_MAKERS: list[Maker] = []  # of a process of the crew: loaded once, used for all its batches


def _begin(threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the parent tells of an interruption
    torch.set_num_threads(threads)


def _follow(making: Making, device: str, orders: list[Order], last: bool) -> list[Outcome]:
    if not _MAKERS:
        _MAKERS.append(Maker(making, load(making.checkpoint, making.adapter), device))
    return _MAKERS[0].follow(orders, wait=last)
