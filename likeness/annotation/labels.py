"""Labels that raters gave to items, read from a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likeness.store.errors import LikenessError
from likeness.store.sheets import read_sheet, refuse_rows

COLUMNS = ("rater", "item", "value")
LEVELS = ("nominal", "ordinal", "interval")


class LabelError(LikenessError):
    """Labels that can't be used."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """N labels by R raters of U items, at most one of a rater and item.

    Attributes:
        raters: R names.
        items: U names.
        values: the K values that occur, in order; strings at the nominal level, else numbers.
        rater: (N,) codes.
        item: (N,) codes.
        value: (N,) codes.
        level: nominal, ordinal or interval.
        missing: rows without a value, which are not among the N.

    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    values: np.ndarray
    rater: np.ndarray
    item: np.ndarray
    value: np.ndarray
    level: str
    missing: int = 0

    def counts(self) -> np.ndarray:
        """How often each item got each value, (U, K)."""
        shape = (len(self.items), len(self.values))
        flat = self.item * shape[1] + self.value
        return np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(float)


def read_labels(path: Path, level: str) -> Labels:
    """Read labels from a CSV or Parquet table with columns rater, item and value.

    An empty value is a label that was not given.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        LabelError: there are no labels, a rater or item has no name, a rater labelled an item
            twice, or a value of an ordinal or interval level is not a number.

    """
    import pandas as pd

    table: Any = read_sheet(path, columns=COLUMNS)
    for column in ("rater", "item"):
        refuse_rows(path, table[column].isna(), f"has no {column}", error=LabelError)
    given = table[table["value"].notna()]
    if given.empty:
        raise LabelError(f"{path}: there is no label in it")
    twice = given.duplicated(["rater", "item"])
    if twice.any():
        row = given[twice].iloc[0]
        raise LabelError(
            f"{path}: {row['rater']} labelled {row['item']} more than once, and {twice.sum()} rows "
            "are such repeats; keep one label of each rater and item"
        )
    rater, raters = pd.factorize(given["rater"].astype(str), sort=True)
    item, items = pd.factorize(given["item"].astype(str), sort=True)
    value, values = pd.factorize(_numbers(path, given["value"], level), sort=True)
    return Labels(
        raters=tuple(raters.tolist()),
        items=tuple(items.tolist()),
        values=np.asarray(values),
        rater=rater,
        item=item,
        value=value,
        level=level,
        missing=len(table) - len(given),
    )


def _numbers(path: Path, values: Any, level: str) -> Any:
    import pandas as pd

    if level == "nominal":
        return values.astype(str)
    numbers: Any = pd.to_numeric(values, errors="coerce")
    numbers = numbers.astype(float)
    wrong = ~np.isfinite(numbers.to_numpy())
    if wrong.any():
        raise LabelError(
            f"{path}: {values[wrong].iloc[0]!r} is not a number, and values of the {level} level "
            "are; use --level nominal for names"
        )
    return numbers
