"""Everything a run needs to go on as if it had never stopped, in one safetensors file.

Adapter, optimizer and step are written together, so they can't disagree. Random numbers need no
saving: noise, timesteps and data order are functions of the seed and the step (`stream`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from likeness.alignment.policy import Policy
from likeness.alignment.runs import RunError, RunFolder
from likeness.store.atomic import write_bytes

ADAPTER, OPTIMIZER = "adapter/", "optimizer/"


def stream(seed: int, *place: int) -> torch.Generator:
    """A generator whose numbers depend on the seed and the place alone, such as a step."""
    high, low = np.random.SeedSequence([seed, *place]).generate_state(2)
    return torch.Generator().manual_seed((int(high) << 32) + int(low))


def save_training(
    run: RunFolder,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    step: int,
    origin: Mapping[str, Any],
) -> Path:
    """Write the adapter of this step, then the whole state; each atomically.

    Args:
        run: where to.
        policy: gives the adapter.
        optimizer: over `policy.trainable()`.
        step: steps done.
        origin: what must be the same where the run is resumed: config, dataset, base.

    Returns:
        The adapter's file.

    Raises:
        DiskFullError: the state of the checkpoint before is still whole.
    """
    adapter = {name: tensor.detach().contiguous() for name, tensor in policy.lora_state().items()}
    path = adapter_file(run, step)
    write_bytes(path, _packed(adapter, step=step, base=origin["base"]))
    tensors = {ADAPTER + name: tensor for name, tensor in adapter.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{OPTIMIZER}{index}/{name}": value for name, value in moments.items()}
    write_bytes(_state_file(run), _packed(tensors, step=step, origin=origin))
    run.mark("running", step=step)
    return path


def resume_training(
    run: RunFolder,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    origin: Mapping[str, Any],
) -> int:
    """Load the last state, if there is one, and cut the metrics back to it.

    Returns:
        The number of steps done: 0 for a new run.

    Raises:
        RunError: config, dataset or base differ from those the run was started with, or the
            state can't be read.
    """
    path = _state_file(run)
    if not path.exists():
        run.metrics.cut_after(0)
        return 0
    header, tensors = _read(path)
    _check_origin(run, header["origin"], dict(origin))
    step = header["step"]
    policy.load_lora(_under(tensors, ADAPTER))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, OPTIMIZER).items():
        index, moment = name.split("/")
        state.setdefault(int(index), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    run.metrics.cut_after(step)
    return step


def adapter_file(run: RunFolder, step: int) -> Path:
    """Where the adapter of a step is kept."""
    return run.path / "checkpoints" / f"step_{step:06d}.safetensors"


def _state_file(run: RunFolder) -> Path:
    return run.path / "state.safetensors"


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _packed(tensors: dict[str, Tensor], **header: Any) -> bytes:
    # One entry: safetensors writes several in an order that differs from process to process.
    return save(tensors, {"likeness": json.dumps(header, sort_keys=True)})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            header = json.loads(file.metadata()["likeness"])
            return header, {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise RunError(f"{path} is damaged ({error}); start a new run") from error


def _check_origin(run: RunFolder, before: dict[str, Any], now: dict[str, Any]) -> None:
    now = json.loads(json.dumps(now))
    for what in now:
        if isinstance(now[what], dict):
            for key, value in now[what].items():
                if before[what].get(key) != value:
                    raise RunError(
                        f"run {run.path} was started with {what}.{key} = "
                        f"{before[what].get(key)}, now {value}; start a new run for it"
                    )
        elif before[what] != now[what]:
            raise RunError(
                f"run {run.path} was started with another {what} ({before[what][:12]}, now "
                f"{now[what][:12]}); start a new run for it"
            )
