"""What clips are asked for: one, or the rows of a table. Torch-free."""

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from likeness.store.errors import LikenessError
from likeness.store.sheets import from_sheet, read_sheet
from likeness.store.weights import file_hash

NEEDED = ("reference", "audio", "background")
MOVING = ("follow", "style")
OPTIONAL = ("prompt", "seed", "name", "reference_start", *MOVING)
_NAME = re.compile(r"[\w][\w .+-]{0,120}")


class OrderError(LikenessError):
    """A table of conditions that can't be followed."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One clip that is asked for.

    Attributes:
        out: where it goes.
        reference: film of the person.
        audio: what they are to say.
        background: picture of the scene.
        prompt: scene and clothes in words.
        seed: of the noise.
        reference_start: seconds into the reference from which on it is looked at.
        follow: film whose movement the clip is to follow.
        style: film of somebody whose way of moving the clip is to take.

    """

    out: Path
    reference: Path
    audio: Path
    background: Path
    prompt: str = ""
    seed: int = 0
    reference_start: float = 0.0
    follow: Path | None = None
    style: Path | None = None

    @property
    def condition(self) -> str:
        """Hash of what is asked for, the files by their content; without the seed (hex).

        Raises:
            OrderError: a file is missing.

        """
        moving = {name: _content(path) for name, path in self.moving.items()}
        return digest(
            {
                **{name: _content(getattr(self, name)) for name in NEEDED},
                **moving,
                "prompt": self.prompt,
                "reference_start": self.reference_start,
            }
        )

    @property
    def moving(self) -> dict[str, Path]:
        """What is given of `follow` and `style`."""
        given = {name: getattr(self, name) for name in MOVING}
        return {name: path for name, path in given.items() if path is not None}


def digest(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain facts (hex)."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def read_orders(table: Path, folder: Path, *, seed: int) -> list[Order]:
    """Read a table of conditions, a clip a row.

    Args:
        table: CSV or Parquet; its files are named relative to it.
        folder: where clips go, called by the column `name` or by the row's number.
        seed: of the first row where the table has no seeds, and one more for each further row.

    Raises:
        SheetError: the table can't be read or lacks a column.
        OrderError: a column is unknown, a cell empty or wrong, or two rows have one name.

    """
    sheet = read_sheet(table, columns=NEEDED)
    known = (*NEEDED, *OPTIONAL)
    if unknown := [str(column) for column in sheet.columns if column not in known]:
        raise OrderError(
            f"{table}: column {', '.join(unknown)} is unknown; known are {', '.join(known)}"
        )
    rows = [
        {str(name): value for name, value in row.items() if not _empty(value)}
        for row in sheet.to_dict("records")
    ]
    orders = [_order(row, i, table, folder, seed) for i, row in enumerate(rows)]
    if not orders:
        raise OrderError(f"{table}: no rows in it; give a condition a row")
    names = Counter(order.out for order in orders)
    if twice := [path.stem for path, count in names.items() if count > 1]:
        raise OrderError(f"{table}: more than one row is called {', '.join(twice)}")
    return orders


def _order(row: Mapping[str, Any], index: int, table: Path, folder: Path, seed: int) -> Order:
    where = f"{table}, row {index + 1}"
    if absent := [name for name in NEEDED if name not in row]:
        raise OrderError(f"{where}: no {', '.join(absent)} given")
    name = str(row.get("name", f"{index + 1:05d}"))
    if not _NAME.fullmatch(name):
        raise OrderError(f"{where}: {name!r} can't be a file's name; use letters and digits")
    start = _number(row.get("reference_start", 0.0), f"{where}: reference_start")
    own = _number(row.get("seed", seed + index), f"{where}: seed")
    if start < 0 or own != int(own):
        raise OrderError(f"{where}: a start is 0 s or more and a seed whole, got {start} and {own}")
    return Order(
        out=folder / f"{name}.mp4",
        **{name: from_sheet(str(row[name]), table) for name in (*NEEDED, *MOVING) if name in row},
        prompt=str(row.get("prompt", "")),
        seed=int(own),
        reference_start=start,
    )


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise OrderError(f"{where} must be a number, got {value!r}")
    return number


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _content(path: Path) -> str:
    if not path.is_file():
        raise OrderError(f"{path}: there is no such file")
    stat = path.stat()
    return _hash_of(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4096)
def _hash_of(path: Path, changed: int, size: int) -> str:
    """Hash a file once; ``changed`` and ``size`` tell when it is another."""
    return file_hash(path)
