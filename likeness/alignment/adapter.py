"""The outcome of an alignment: an adapter, or all weights, in a file that knows its base."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from likeness.alignment.policy import Policy
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError


class AdapterError(LikenessError):
    """A file of tensors that can't be read, or an adapter that was made for another base."""


def load_adapter(policy: Policy, path: Path) -> int:
    """Put a trained adapter on its base, or the weights of a run that trained them all.

    Args:
        policy: the base the adapter was trained on, without an adapter.
        path: an adapter's file of a run.

    Returns:
        The step it was saved at.

    Raises:
        AdapterError: the file is missing or damaged, or the base is another one.

    """
    header, tensors = read_tensors(path)
    if policy.hash != header["base"]:
        raise AdapterError(
            f"{path} was trained on base {header['base'][:12]}, this one is "
            f"{policy.hash[:12]}; load the checkpoint that its run started from"
        )
    if header["rank"]:
        policy.add_lora(rank=header["rank"], alpha=header["alpha"], seed=0)
    else:
        policy.unfreeze()
    policy.load_lora(tensors)
    return header["step"]


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write tensors and a JSON header, whole or not at all; the same content, the same bytes.

    Raises:
        DiskFullError: nothing is left behind, and what was there stays.

    """
    # One entry: safetensors writes several in an order that differs from process to process.
    write_bytes(path, save(tensors, {"likeness": json.dumps(header, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `write_tensors` wrote.

    Raises:
        AdapterError: the file is missing, damaged, or not one of these.

    """
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            header = (file.metadata() or {}).get("likeness")
            tensors = {name: file.get_tensor(name) for name in names}
    except (SafetensorError, FileNotFoundError) as error:
        raise AdapterError(
            f"{path} can't be read ({error}); take another checkpoint or start a new run"
        ) from error
    if header is None:
        raise AdapterError(f"{path} was not written by an alignment run; it has no header of one")
    return json.loads(header), tensors
