"""What is written of a stage, so that it can go on: compared, gathered and divided again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likeness.model.generator import Generator
from likeness.store.atomic import replacing
from likeness.training.muon import divided, whole
from likeness.training.stages import TrainingError


def write_state(path: Path, state: Any) -> None:
    """Write tensors by torch, at once or not at all.

    Raises:
        DiskFullError: no room on the disk; what stood there stays.

    """
    # Through a file of Python's: torch's own doesn't say why it can't write.
    with replacing(path) as partial, partial.open("wb") as file:
        torch.save(state, file)


@torch.no_grad()
def take_average(generator: Generator, path: Path) -> None:
    """Put weights that :meth:`Learner.save_average` wrote into a generator."""
    average = torch.load(path, weights_only=True)
    for name, parameter in generator.transformer.named_parameters():
        parameter.copy_(divided(average[name], parameter))


def check_same(then: Mapping[str, Any], now: Mapping[str, Any], what: str) -> None:
    """Refuse to go on with other settings than before.

    Raises:
        TrainingError: something differs; the message says what.

    """
    for key in sorted({*then, *now}):
        before, after = then.get(key), now.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            check_same(before, after, what)
        elif before != after:
            raise TrainingError(
                f"{what} was started with other training settings: {key} was {before!r}, now it "
                f"is {after!r}; remove it to start anew, or take the old setting"
            )


def gathered(state: dict[str, Any]) -> dict[str, Any]:
    """Make an optimiser's state whole, on the CPU; all processes must call this."""
    moments = {
        index: {name: whole(v).cpu() if isinstance(v, Tensor) else v for name, v in row.items()}
        for index, row in state["state"].items()
    }
    return {**state, "state": moments}


def spread(kept: dict[str, Any], optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Divide moments as the parameters that they belong to are."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    moments = {
        index: {
            name: divided(v, parameters[index]) if isinstance(v, Tensor) and v.ndim else v
            for name, v in row.items()
        }
        for index, row in kept["state"].items()
    }
    return {**kept, "state": moments}
