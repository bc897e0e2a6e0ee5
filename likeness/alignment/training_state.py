"""Everything a run needs to go on as if it had never stopped, in one safetensors file.

Adapter, optimizer and step are written together, so they can't disagree. Random numbers need no
saving: noise, timesteps and data order are functions of the seed and the step (`stream`).
"""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from likeness.alignment.adapter import read_tensors, write_tensors
from likeness.alignment.policy import Policy
from likeness.alignment.team import Team
from likeness.store.runs import RunError, RunFolder

ADAPTER, OPTIMIZER, REFERENCE, BESIDE = "adapter/", "optimizer/", "reference/", "beside/"


def stream(seed: int, *place: int) -> torch.Generator:
    """Make a generator whose numbers depend on the seed and the place alone, such as a step."""
    high, low = np.random.SeedSequence([seed, *place]).generate_state(2)
    return torch.Generator().manual_seed((int(high) << 32) + int(low))


def save_training(
    run: RunFolder,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    step: int,
    origin: Mapping[str, Any],
    beside: Mapping[str, Tensor] = MappingProxyType({}),
) -> Path:
    """Write the adapter of this step, then the whole state; each atomically.

    Args:
        run: where to.
        policy: gives the adapter.
        optimizer: over `policy.trainable()`.
        step: steps done.
        origin: what must be the same where the run is resumed: config, dataset, base.
        beside: further tensors of the algorithm, which `saved_beside` gives back.

    Returns:
        The adapter's file.

    Raises:
        DiskFullError: the state of the checkpoint before is still whole.

    """
    adapter = {name: tensor.detach().contiguous() for name, tensor in policy.lora_state().items()}
    path = adapter_file(run, step)
    config = origin["config"]
    shape = {"rank": config["lora_rank"], "alpha": config["lora_alpha"]}
    if config.get("learns") == "full":
        shape = {"rank": 0, "alpha": 0.0}
    write_tensors(path, adapter, {"step": step, "base": origin["base"], **shape})
    tensors = {ADAPTER + name: tensor for name, tensor in adapter.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"{OPTIMIZER}{index}/{name}": value for name, value in moments.items()}
    tensors |= {BESIDE + name: tensor.contiguous() for name, tensor in beside.items()}
    if config.get("sync", "never") != "never":
        kept = policy.reference_state().items()
        tensors |= {REFERENCE + name: tensor.contiguous() for name, tensor in kept}
    write_tensors(_state_file(run), tensors, {"step": step, "origin": origin})
    run.mark("running", step=step)
    return path


def check_origin(run: RunFolder, origin: Mapping[str, Any]) -> None:
    """Refuse to go on with other settings, data or base than the run began with.

    Raises:
        RunError: something differs; the message says what. The run stays as it is.
        AdapterError: the state can't be read.

    """
    if not _state_file(run).exists():
        return
    before = read_tensors(_state_file(run))[0]["origin"]
    for what, now in json.loads(json.dumps(origin)).items():
        then = before.get(what, "")
        if isinstance(now, dict):
            for key, value in now.items():
                if then.get(key) != value:
                    raise RunError(
                        f"run {run.path} was started with {what}.{key} = {then.get(key)}, "
                        f"now {value}; start a new run for it"
                    )
        elif then != now:
            raise RunError(
                f"run {run.path} was started with another {what} ({then[:12]}, now {now[:12]}); "
                "start a new run for it"
            )


def resume_training(run: RunFolder, policy: Policy, optimizer: torch.optim.Optimizer) -> int:
    """Load the last state, if there is one, and cut the metrics back to it.

    Returns:
        The number of steps done: 0 for a new run.

    Raises:
        AdapterError: the state can't be read.

    """
    step = load_training(run, policy, optimizer)
    run.metrics.cut_after(step)
    return step


def load_training(run: RunFolder, policy: Policy, optimizer: torch.optim.Optimizer) -> int:
    """Load the last state, if there is one, and leave the run as it is; returns its step."""
    path = _state_file(run)
    if not path.exists():
        return 0
    header, tensors = read_tensors(path)
    policy.load_lora(_under(tensors, ADAPTER))
    if reference := _under(tensors, REFERENCE):
        policy.load_reference(reference)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, OPTIMIZER).items():
        index, moment = name.split("/")
        state.setdefault(int(index), {})[moment] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
    return header["step"]


def resume_together(
    team: Team, run: RunFolder, policy: Policy, optimizer: torch.optim.Optimizer
) -> int:
    """Load the last state in all processes; the first, which holds the run, cuts its metrics.

    Returns:
        The number of steps done: 0 for a new run.

    """
    if team.rank == 0:
        step = resume_training(run, policy, optimizer)
        team.wait()
        return step
    team.wait()
    return load_training(run, policy, optimizer)


def saved_beside(run: RunFolder) -> dict[str, Tensor]:
    """Read what the last save kept beside adapter and optimizer; nothing for a new run."""
    path = _state_file(run)
    return _under(read_tensors(path)[1], BESIDE) if path.exists() else {}


def adapter_file(run: RunFolder, step: int) -> Path:
    """Where the adapter of a step is kept."""
    return run.path / "checkpoints" / f"step_{step:06d}.safetensors"


def _state_file(run: RunFolder) -> Path:
    return run.path / "state.safetensors"


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
