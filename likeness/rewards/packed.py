"""Weights of the small reward models: safetensors in half precision, settings in the header."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from likeness.store.atomic import replacing
from likeness.store.errors import LikenessError
from likeness.store.weights import file_hash

HEADER = "likeness"


class PackedError(LikenessError):
    """A weights file that is damaged or holds another kind of model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Packed:
    """A weights file in memory.

    Attributes:
        tensors: state of the network in float32.
        settings: what the network has to be built with; JSON values.
        hash: SHA-256 of the file.

    """

    tensors: dict[str, torch.Tensor]
    settings: dict[str, Any]
    hash: str


def pack(path: Path, kind: str, tensors: dict[str, torch.Tensor], settings: dict[str, Any]) -> None:
    """Write a model, floats in half precision; the same model gives the same bytes."""
    halved = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in sorted(tensors.items())
    }
    # one entry: safetensors writes several in random order
    header = json.dumps({"kind": kind, "settings": settings}, sort_keys=True)
    with replacing(path) as partial:
        save_file(halved, partial, metadata={HEADER: header})


def unpack(path: Path, kind: str) -> Packed:
    """Read a model written by `pack`.

    Raises:
        PackedError: the file is no safetensors file or holds another kind.

    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a file handle, no dict
    except (SafetensorError, OSError) as error:
        raise PackedError(
            f"{path}: can't be read ({error}); run `likeness testbed build`"
        ) from error
    if header.get("kind") != kind:
        raise PackedError(
            f"{path}: holds {header.get('kind', 'something else')!r}, {kind!r} expected; "
            "run `likeness testbed build`"
        )
    return Packed(
        tensors={n: t.float() if t.is_floating_point() else t for n, t in tensors.items()},
        settings=header["settings"],
        hash=file_hash(path),
    )
