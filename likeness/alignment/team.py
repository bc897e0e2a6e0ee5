"""Processes that learn together, each from its share of the pairs of a step.

Every process has the whole model; gradients are averaged, so all take the same step and have the
same weights. The first writes files.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from torch import Tensor

from likeness.alignment.guards import TrainingError
from likeness.store.runs import RunFolder


class Team(Protocol):
    """Who takes part; `training.crew.Crew` is one."""

    @property
    def size(self) -> int:
        """How many processes there are."""
        ...

    @property
    def rank(self) -> int:
        """Number of this process, from 0; process 0 writes files."""
        ...

    def mean(self, value: Tensor, /) -> Tensor:
        """Average over the processes."""
        ...

    def any(self, flag: bool, /) -> bool:
        """Whether it holds in any process, alike in all."""
        ...

    def wait(self) -> None:
        """Go on when all have come here."""
        ...


class Alone:
    """One process."""

    size = 1
    rank = 0

    def mean(self, value: Tensor) -> Tensor:
        """Give it back."""
        return value

    def any(self, flag: bool) -> bool:
        """Give it back."""
        return flag

    def wait(self) -> None:
        """Wait for nobody."""


def share_of(team: Team, batch: int, key: str) -> slice:
    """Say which of the `batch` pairs of a step are this process's.

    Raises:
        TrainingError: they can't be shared evenly; `key` is named.

    """
    if batch % team.size:
        raise TrainingError(
            f"alignment.{key} = {batch} can't be shared evenly by {team.size} processes; take a "
            "multiple of their number"
        )
    each = batch // team.size
    return slice(team.rank * each, (team.rank + 1) * each)


def average_gradients(team: Team, parameters: Iterable[torch.nn.Parameter]) -> None:
    """Put the mean over the processes in the place of each gradient."""
    if team.size == 1:
        return
    for parameter in parameters:
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        parameter.grad = team.mean(gradient)


def average(team: Team, metrics: Mapping[str, Tensor]) -> dict[str, float]:
    """Average numbers over the processes."""
    if team.size == 1:
        return {name: value.item() for name, value in metrics.items()}
    values = torch.stack([value.double() for value in metrics.values()])
    return dict(zip(metrics, team.mean(values).tolist(), strict=True))


def held(team: Team, run: RunFolder) -> AbstractContextManager[Any]:
    """Hold the run, if this is the process that writes it."""
    return run.running() if team.rank == 0 else nullcontext()
