"""Ratings of a study, read from a table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likeness.benchmark.studies.answers import StudyError
from likeness.store.sheets import read_sheet, refuse_rows

COLUMNS = ("rater", "item", "dimension", "score")


@dataclass(frozen=True, kw_only=True)
class Ratings:
    """N ratings of one dimension; a rater may rate an item more than once.

    Attributes:
        dimension: its name.
        raters: I names.
        items: J names.
        rater: (N,) codes.
        item: (N,) codes.
        score: (N,) numbers.

    """

    dimension: str
    raters: tuple[str, ...]
    items: tuple[str, ...]
    rater: np.ndarray
    item: np.ndarray
    score: np.ndarray

    def without(self, left_out: np.ndarray) -> "Ratings":
        """Leave the ratings of some raters out, (I,) bool; names and codes stay."""
        kept = ~left_out[self.rater]
        return Ratings(
            dimension=self.dimension,
            raters=self.raters,
            items=self.items,
            rater=self.rater[kept],
            item=self.item[kept],
            score=self.score[kept],
        )


def read_ratings(path: Path) -> list[Ratings]:
    """Read ratings from a CSV or Parquet table: rater, item, dimension and score.

    Returns:
        One for each dimension, in alphabetical order. An empty score is a rating not given.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        StudyError: a name is missing, a score is not a number, or there is none.

    """
    return ratings_of(read_sheet(path, columns=COLUMNS), path)


def ratings_of(table: Any, path: Path) -> list[Ratings]:
    """Take ratings from a table that is read; `path` is for messages.

    Raises:
        StudyError: as `read_ratings`.

    """
    import pandas as pd

    for column in COLUMNS[:3]:
        refuse_rows(path, table[column].isna(), f"has no {column}", error=StudyError)
    table = table[table["score"].notna()]
    if table.empty:
        raise StudyError(f"{path}: there is no rating in it")
    numbers: Any = pd.to_numeric(table["score"], errors="coerce")
    scores = numbers.to_numpy(float)
    if len(rows := np.flatnonzero(~np.isfinite(scores))):
        told = table["score"].iloc[rows[0]]
        raise StudyError(f"{path}: score {told!r} is not a number")
    found = []
    for dimension, part in table.assign(score=scores).groupby(
        table["dimension"].astype(str), sort=True
    ):
        rater, raters = pd.factorize(part["rater"].astype(str), sort=True)
        item, items = pd.factorize(part["item"].astype(str), sort=True)
        found.append(
            Ratings(
                dimension=str(dimension),
                raters=tuple(raters.tolist()),
                items=tuple(items.tolist()),
                rater=rater,
                item=item,
                score=part["score"].to_numpy(float),
            )
        )
    return found
