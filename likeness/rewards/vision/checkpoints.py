"""Folders of published models: whole or not, by what hash, and where they run."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError

from likeness.store.weights import WeightsError, file_hash

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    RuntimeError,
    ImportError,
    SyntaxError,
    UnpicklingError,
    SafetensorError,
)
MODELS = {".safetensors", ".bin", ".pt", ".pth", ".json", ".txt", ".model", ".py", ".jinja"}


class CheckpointError(WeightsError):
    """A model's folder that is missing, damaged, or holds another kind of model."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a model runs.

    Attributes:
        device: as torch names it, `cpu` or `cuda:0`.
        dtype: of weights and activations; the last softmax is in float32 all the same.

    """

    device: str = "cpu"
    dtype: torch.dtype = torch.float32

    @classmethod
    def best(cls) -> "Placement":
        """Choose CUDA in bfloat16 where there is a GPU, and the processor in float32 elsewhere."""
        if torch.cuda.is_available():
            return cls(device="cuda", dtype=torch.bfloat16)
        return cls()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a model's files, so that a changed one shows."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inner.parts)
        if path.suffix in MODELS and path.is_file() and not hidden:
            digest.update(f"{inner.as_posix()} {file_hash(path)}\n".encode())
    return digest.hexdigest()


def need_file(folder: Path, name: str) -> Path:
    """Return a file of a model's folder.

    Raises:
        CheckpointError: the folder or the file is not there.

    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; give the folder of a downloaded model")
    if not (folder / name).is_file():
        raise CheckpointError(f"{folder}: holds no {name}; download the model again")
    return folder / name


@contextmanager
def reading(folder: Path, what: str) -> Iterator[None]:
    """Say in one line that a model can't be read, and why.

    Raises:
        CheckpointError: reading failed in a way that files can be the reason of.

    """
    try:
        yield
    except CheckpointError as error:
        if str(folder) in str(error):
            raise
        raise CheckpointError(f"{folder}: {error}") from error
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise CheckpointError(f"{folder}: can't be read as {what}: {reason}") from error


def complain_of_missing(folder: Path, info: dict[str, Any]) -> None:
    """Refuse what `from_pretrained` would have filled with chance.

    Args:
        folder: what was loaded.
        info: its `output_loading_info`.

    Raises:
        CheckpointError: weights are missing or of other shapes.

    """
    absent = sorted(str(key) for key in (*info["missing_keys"], *info["mismatched_keys"]))
    if absent:
        raise CheckpointError(
            f"{folder}: {len(absent)} weights missing or of another shape, such as {absent[0]}; "
            "download the model again"
        )
