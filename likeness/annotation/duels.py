"""Systems shown against each other, and which won: votes as integer codes, read from a table."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from likeness.annotation.ties import LEFT, RIGHT, TIE
from likeness.store.errors import LikenessError
from likeness.store.sheets import read_sheet, refuse_rows

COLUMNS = ("left", "right", "winner")
TEXTS = (*COLUMNS, "rater", "item")
OUTCOMES = {"left": LEFT, "right": RIGHT, "tie": TIE, "both_bad": TIE}


class DuelError(LikenessError):
    """Votes that can't be used."""


@dataclass(frozen=True, kw_only=True)
class Duels:
    """N votes, each between two systems.

    Attributes:
        systems: names; a code is an index of it.
        left: (N,) codes of the systems shown on the left.
        right: (N,) of those on the right.
        outcome: (N,) LEFT, RIGHT or TIE; both bad is a tie here.
        both_bad: how many of the ties are votes that both are bad.
        raters: (N,) codes of who voted, or None.
        items: (N,) codes of what was compared, such as the condition, or None.

    """

    systems: tuple[str, ...]
    left: np.ndarray
    right: np.ndarray
    outcome: np.ndarray
    both_bad: int = 0
    raters: np.ndarray | None = None
    items: np.ndarray | None = None

    @cached_property
    def cells(self) -> np.ndarray:
        """Code each vote's pair and outcome as one number below S * S * 3, (N,)."""
        pair = self.left.astype(np.int64) * len(self.systems) + self.right
        return pair * 3 + self.outcome

    @cached_property
    def _counted(self) -> np.ndarray:
        size = len(self.systems)
        return np.bincount(self.cells, minlength=size * size * 3).reshape(size, size, 3)

    def counts(self) -> np.ndarray:
        """Count the votes of each ordered pair, (S, S, 3)."""
        return self._counted.astype(float)


def read_duels(path: Path, *, without: Collection[str] = ()) -> Duels:
    """Read votes from a CSV or Parquet table.

    Columns are left and right (names of systems), winner (left, right, tie or both_bad), and
    where known rater and item.

    Args:
        path: the table.
        without: systems whose votes are left out.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        DuelError: a field is empty or of no known value, or nobody votes.

    """
    import pandas as pd

    table: Any = read_sheet(path, columns=COLUMNS, texts=TEXTS)
    if without:
        gone = table["left"].isin(without) | table["right"].isin(without)
        table = table[~gone].reset_index(drop=True)
    if table.empty:
        raise DuelError(f"{path}: there is no vote in it")
    for column in (*COLUMNS, *(c for c in ("rater", "item") if c in table)):
        refuse_rows(path, table[column].isna(), f"has no {column}", error=DuelError)
    said, winners = pd.factorize(table["winner"])
    outcome = np.array([OUTCOMES.get(str(winner), -1) for winner in winners])[said]
    known = ", ".join(OUTCOMES)
    unknown = f"has a winner that is none of {known}"
    refuse_rows(path, outcome < 0, unknown, table["winner"], error=DuelError)
    codes, names = pd.factorize(pd.concat([table["left"], table["right"]]).astype("str"), sort=True)
    left, right = codes[: len(table)], codes[len(table) :]
    refuse_rows(
        path, left == right, "compares a system with itself", table["left"], error=DuelError
    )
    if len(names) < 2:
        raise DuelError(f"{path}: a ranking needs two systems, there is only {names[0]}")
    return Duels(
        systems=tuple(str(name) for name in names),
        left=left,
        right=right,
        outcome=outcome,
        both_bad=int((table["winner"] == "both_bad").sum()),
        raters=pd.factorize(table["rater"])[0] if "rater" in table else None,
        items=pd.factorize(table["item"])[0] if "item" in table else None,
    )
