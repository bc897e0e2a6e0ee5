"""Shards, mapped into memory and read a window at a time."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from likeness.store.weights import file_hash
from likeness.training.corpus.records import SHARDS, SUFFIX
from likeness.training.corpus.settings import CorpusError

ONCE = frozenset({"text", "background", "hidden"})  # a shard; everything else once a window
_OPEN = 64  # shards that are kept open


def _damaged(path: Path, why: object) -> CorpusError:
    return CorpusError(
        f"shard {path} is damaged ({why}): remove it and run `likeness corpus make` again with the "
        "same --out, which makes it anew from its clip"
    )


def _missing(path: Path) -> CorpusError:
    return CorpusError(
        f"shard {path} is missing: run `likeness corpus make` again with the same --out, which "
        "makes it anew from its clip"
    )


@contextmanager
def opened_shard(path: Path) -> Iterator[Any]:
    """Open a shard for a moment.

    Raises:
        CorpusError: it is missing or damaged.

    """
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise _missing(path) from error
    except (SafetensorError, OSError) as error:
        raise _damaged(path, error) from error


def check_shard(path: Path, name: str, *, whole: bool) -> None:
    """See that a shard is there and, if ``whole``, that its bytes have the hash it is called by.

    Raises:
        CorpusError: it is missing or others.

    """
    if not path.is_file():
        raise _missing(path)
    if whole and (found := file_hash(path)) != name:
        raise _damaged(path, f"its hash is {found[:16]}...")


class Shards:
    """The shards of a corpus; those used last stay open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: OrderedDict[str, Any] = OrderedDict()

    def __reduce__(self) -> tuple:
        """Cross to another process without the open files."""
        return Shards, (self.folder,)

    def path(self, name: str) -> Path:
        """Say where a shard lies."""
        return self.folder / SHARDS / name[:2] / f"{name}{SUFFIX}"

    def names(self, name: str) -> set[str]:
        """Name the tensors of a shard."""
        return set(self._file(name).keys())

    def read(self, name: str, tensor: str, row: int) -> Tensor:
        """Read a tensor of a window.

        Raises:
            CorpusError: the shard is missing or damaged.

        """
        file = self._file(name)
        try:
            part = file.get_slice(tensor)
            return torch.as_tensor(part[:] if tensor in ONCE else part[row])
        except (SafetensorError, OSError, IndexError) as error:
            raise _damaged(self.path(name), error) from error

    def _file(self, name: str) -> Any:
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        path = self.path(name)
        try:
            file = safe_open(path, framework="pt")
        except FileNotFoundError as error:
            raise _missing(path) from error
        except (SafetensorError, OSError) as error:
            raise _damaged(path, error) from error
        self._open[name] = file
        if len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return file
