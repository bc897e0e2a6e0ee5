import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from likeness.store.crew.work import CrewError, Item, Lost, Result

LOCAL = "local"

_DIED = "the process that worked on it died on the cluster, perhaps for want of memory"


class OnRay:
    """Processes of a Ray cluster, fed by Ray Data; files lie where all its machines see them.

    Args:
        workers: how many actors; each asks for a processor.
        address: of the cluster; `auto` for the one that this machine belongs to, `local` for one
            of this machine that ends with the work.
        gpus: share of a GPU that each asks for; several with less than 1 share one.

    Raises:
        CrewError: Ray isn't installed, or a share below 0.

    """

    def __init__(self, workers: int, address: str, *, gpus: float = 0) -> None:
        if not gpus >= 0:
            raise CrewError(f"the share of a GPU must be 0 or more, got {gpus:g}")
        self.workers = workers
        self.gpus = gpus
        self.address = address
        self._ray = _ray()

    def follow(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Give items to whichever actor is free.

        A process that dies can take items with it that were only waiting for it, so what was lost
        is given out again, in the other order, as long as that brings any back.

        Raises:
            CrewError: the cluster can't be reached, or has not what the actors ask for.

        """
        if not items:
            return
        data = self._ray.data
        with self._cluster(), _settings(data) as context, data.DataContext.current(context):
            missing, before = list(range(len(items))), -1
            while missing and len(missing) != before:
                before = len(missing)
                done = set()
                for place, value in self._pass(work, {i: items[i] for i in missing}):
                    done.add(place)
                    yield place, value
                missing = [place for place in reversed(missing) if place not in done]
            for place in sorted(missing):
                yield place, Lost(reason=_DIED)

    def _pass(
        self, work: Callable[[Item], Result], items: Mapping[int, Item]
    ) -> Iterator[tuple[int, Result]]:
        """Give each item out once; those that a dying process took along are left out."""
        rows = [{"place": i, "item": pickle.dumps(item)} for i, item in items.items()]
        # a block an item: a process that dies takes its block with it
        results = self._ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            Actor,
            fn_constructor_args=(work,),
            compute=self._ray.data.ActorPoolStrategy(size=min(self.workers, len(rows))),
            num_cpus=1,
            num_gpus=self.gpus,
            max_restarts=-1,
            max_task_retries=0,
        )
        for block in results.iter_batches(batch_size=None, prefetch_batches=0):
            for place, packed in zip(block["place"], block["result"], strict=True):
                kind, value = pickle.loads(packed)
                if kind == "failed":
                    raise value
                yield int(place), value

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        ray = self._ray
        mine = not ray.is_initialized()
        own = {"num_cpus": self.workers, "include_dashboard": False} if self._local else {}
        try:
            ray.init(address=self.address, ignore_reinit_error=True, log_to_driver=False, **own)
        except ConnectionError as error:
            raise CrewError(
                f"--ray {self.address}: no cluster there ({error}); `ray start --head` makes one, "
                f"and --ray {LOCAL} does without"
            ) from error
        try:
            self._check(ray.cluster_resources())
            yield
        finally:
            if mine:
                ray.shutdown()

    @property
    def _local(self) -> bool:
        return self.address == LOCAL

    def _check(self, has: dict[str, float]) -> None:
        """Refuse what would wait for ever."""
        wanted = {"CPU": 1.0, "GPU": self.gpus}
        for kind, share in wanted.items():
            if share > has.get(kind, 0):
                raise CrewError(
                    f"--ray {self.address}: each worker asks for {share:g} {kind}, and the cluster "
                    f"has {has.get(kind, 0):g}"
                )


class Actor:
    """Does the work in a process of a cluster."""

    def __init__(self, work: Callable[..., Any]) -> None:
        self._work = work

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Work on a row's item; what it raises is a result like any other."""
        try:
            told = ("done", self._work(pickle.loads(row["item"])))
        except Exception as error:
            told = ("failed", error)
        return {"place": row["place"], "result": pickle.dumps(told)}


@contextmanager
def _settings(data: Any) -> Iterator[Any]:
    context = data.DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a dead process leaves its block out; the rest goes on
    yield context


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would tell its makers
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise CrewError(
            "--ray needs Ray, which isn't installed: `pip install 'ray[data]'` on every machine, "
            "or leave --ray out and use --workers"
        ) from error
    return ray
