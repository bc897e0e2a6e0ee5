"""Checkpoints of safetensors files: looked through at once, read and written a tensor at a time."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from likeness.model.config import ModelError

STEM = "diffusion_pytorch_model"  # of diffusers' files
TEXT_STEM = "model"  # of transformers'
INDEX = f"{STEM}.safetensors.index.json"
SHARD_BYTES = 5_000_000_000
PICKLES = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle"})
FLOATS = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a tensor lies and what it is; `dtype` is safetensors' word for it, such as BF16."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


class TensorFiles:
    """The tensors of one or more safetensors files, by name. Values are read when asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self.places = places
        self._open: dict[Path, Any] = {}

    @classmethod
    def open(cls, path: Path) -> "TensorFiles":
        """Look through a file, or a folder of one file or of shards with their index.

        Raises:
            ModelError: there is none, it is a pickle, or a file is cut short, missing or no
                safetensors; or the index and the shards disagree.

        """
        files, index = _files(path)
        places: dict[str, Place] = {}
        for file in files:
            for name, place in _look_through(file):
                if name in places:
                    raise ModelError(f"{name} is both in {places[name].file} and in {file}")
                places[name] = place
        for name, file in index.items():
            if name not in places or places[name].file.name != file:
                raise ModelError(f"{path}: the index says that {file} holds {name}; it does not")
        return cls(places)

    def read(self, name: str) -> Tensor:
        """Read one tensor; its memory is the file's until it is changed."""
        file = self.places[name].file
        if file not in self._open:
            self._open[file] = safe_open(file, framework="pt")
        return self._open[file].get_tensor(name)


def _files(path: Path) -> tuple[list[Path], dict[str, str]]:
    """List the files of a checkpoint, and what its index says, tensor to file."""
    if path.is_file():
        _refuse_pickles(path, path.name)
        return [path], {}
    if not path.is_dir():
        raise ModelError(f"no checkpoint at {path}: give a safetensors file or their folder")
    for listing in (path / f"{stem}.safetensors.index.json" for stem in (STEM, TEXT_STEM)):
        if not listing.is_file():
            continue
        index = _index(listing)
        for name in sorted(set(index.values())):
            _refuse_pickles(path, name)
            if Path(name).name != name or not (path / name).is_file():
                raise ModelError(f"{listing} names {name}, which is not there")
        return [path / name for name in sorted(set(index.values()))], index
    files = sorted(path.glob(f"{STEM}*.safetensors")) or sorted(path.glob("*.safetensors"))
    if not files:
        for file in sorted(path.iterdir()):
            _refuse_pickles(path, file.name)
        raise ModelError(f"{path} holds no safetensors: give the folder that has them")
    return files, {}


def _index(path: Path) -> dict[str, str]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): str(file) for name, file in index.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is no index of shards: it has no readable weight_map") from error


def _refuse_pickles(path: Path, name: str) -> None:
    if Path(name).suffix in PICKLES:
        where = path if path.name == name else f"{path}: {name}"
        raise ModelError(
            f"{where} is a pickle, which runs what code it likes when it is read; "
            "give the checkpoint as safetensors"
        )


def _look_through(file: Path) -> Iterator[tuple[str, Place]]:
    try:
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 it is no dict and can't be gone through
                part = opened.get_slice(name)
                yield name, Place(file=file, shape=tuple(part.get_shape()), dtype=part.get_dtype())
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{file} is no safetensors file or is cut short ({error}): get it again"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A tensor to write."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def size(self) -> int:
        """Bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def write_shards(
    folder: Path,
    entries: list[Entry],
    value: Callable[[str], Tensor],
    *,
    shard_bytes: int,
    stem: str = STEM,
    written: Callable[[int], None] = lambda count: None,
) -> list[Path]:
    """Write tensors in shards with their index, as diffusers names and reads them.

    safetensors' own writer wants a whole shard in memory; here each tensor is asked for, written
    and let go.

    Args:
        folder: an empty one.
        entries: what is written, divided in this order.
        value: gives each tensor by name, of its entry's shape and type.
        shard_bytes: tensors of a shard come to no more, unless one alone does.
        stem: that the files' names begin with.
        written: is told how many tensors are written.

    Returns:
        The shards.

    """
    shards = _divided(entries, shard_bytes)
    names = [f"{stem}-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    count = 0
    for name, shard in zip(names, shards, strict=True):
        with open(folder / name, "xb") as file:
            file.write(_header(shard))
            for entry in shard:
                tensor = value(entry.name)
                assert tensor.dtype == entry.dtype and tuple(tensor.shape) == entry.shape
                file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
                count += 1
                written(count)
            file.flush()
            os.fsync(file.fileno())
    index = {
        "metadata": {"total_size": sum(entry.size for entry in entries)},
        "weight_map": {e.name: n for n, shard in zip(names, shards, strict=True) for e in shard},
    }
    listing = folder / f"{stem}.safetensors.index.json"
    listing.write_text(json.dumps(index, indent=2) + "\n")
    return [folder / name for name in names]


def _divided(entries: list[Entry], most: int) -> list[list[Entry]]:
    shards: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if shards[-1] and size + entry.size > most:
            shards.append([])
            size = 0
        shards[-1].append(entry)
        size += entry.size
    # The widest types first, so that every tensor lies at a multiple of its values' size.
    return [sorted(shard, key=lambda entry: -entry.dtype.itemsize) for shard in shards]


def _header(entries: list[Entry]) -> bytes:
    """Length and JSON that begin a safetensors file, padded so that the tensors lie at eights."""
    offset = 0
    told: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    for entry in entries:
        told[entry.name] = {
            "dtype": FLOATS[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + entry.size],
        }
        offset += entry.size
    text = json.dumps(told).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
