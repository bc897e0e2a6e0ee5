"""A run's metrics shown in TensorBoard, Weights & Biases or Trackio; metrics.jsonl stays the truth.

accelerate knows how each is spoken to. None of them is needed, and none is installed by Likeness.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from likeness.alignment.recipe import Tracker
from likeness.store.errors import LikenessError
from likeness.store.recipes import recipe_table
from likeness.store.runs import RunFolder

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PROJECT = "likeness"


class TrackerError(LikenessError):
    """A tracker whose package is not there."""


@contextmanager
def tracked(run: RunFolder, names: Sequence[Tracker]) -> Iterator[None]:
    """Within it every row of the run's metrics is also told to the trackers.

    Raises:
        TrackerError: the package of one is not installed.

    """
    for name in names:
        if find_spec(name) is None:
            raise TrackerError(
                f"trackers: {name} needs the package {name}, which is not installed: pip install "
                f"{name}, or leave it out; metrics.jsonl of the run has everything"
            )
    with following(run, [STARTED[name](run) for name in names]):
        yield


@contextmanager
def following(run: RunFolder, trackers: "Sequence[GeneralTracker]") -> Iterator[None]:
    """Within it these trackers are told of the run's settings once, and of every row."""
    for tracker in trackers:
        tracker.start()
        tracker.store_init_configuration(_flat(recipe_table(run.record)))

    def tell(row: Mapping[str, float]) -> None:
        values = {name: value for name, value in row.items() if name != "step"}
        for tracker in trackers:
            tracker.log(values, step=int(row["step"]))

    run.metrics.followers.append(tell)
    try:
        yield
    finally:
        run.metrics.followers.remove(tell)
        for tracker in trackers:
            tracker.finish()


def _tensorboard(run: RunFolder) -> "GeneralTracker":
    from accelerate.tracking import TensorBoardTracker

    # What a killed run wrote after its last save is written again.
    return TensorBoardTracker(PROJECT, run.path / "tensorboard", purge_step=run.status.step + 1)


def _wandb(run: RunFolder) -> "GeneralTracker":
    from accelerate.tracking import WandBTracker

    name = run.record.id
    return WandBTracker(PROJECT, name=name, id=name, resume="allow", dir=str(run.path))


def _trackio(run: RunFolder) -> "GeneralTracker":
    from accelerate.tracking import TrackioTracker

    return TrackioTracker(PROJECT, name=run.record.id, resume="allow")


STARTED: "Mapping[Tracker, Callable[[RunFolder], GeneralTracker]]" = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "trackio": _trackio,
}


def _flat(table: Mapping[str, object], above: str = "") -> dict[str, str | int | float | bool]:
    """Name settings within tables by their path; lists become text."""
    flat: dict[str, str | int | float | bool] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{above}{key}.")
        else:
            flat[above + key] = value if isinstance(value, str | int | float | bool) else str(value)
    return flat
