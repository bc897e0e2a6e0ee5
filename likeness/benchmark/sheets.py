"""Measurements and boards as CSV or Parquet tables."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Row
from likeness.benchmark.grid import COLUMNS
from likeness.benchmark.measurements import Measurement
from likeness.store.sheets import read_sheet, refuse_rows, write_sheet

if TYPE_CHECKING:
    import pandas as pd

TEXTS = tuple(column for column in COLUMNS if column != "value")


def write_measurements(rows: "Iterable[Measurement] | pd.DataFrame", path: Path) -> None:
    """Write the rows behind a board, from which it can be built again.

    Raises:
        SheetError: the suffix is neither .csv nor .parquet.
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    if isinstance(rows, pd.DataFrame):
        table: Any = rows[list(COLUMNS)]
    else:
        table = pd.DataFrame([row.to_dict() for row in rows], columns=list(COLUMNS))
    write_sheet(table, path)


def read_measurements(path: Path) -> "pd.DataFrame":
    """Read rows that `write_measurements` wrote, or another program in the same columns.

    A table rather than records, because a board of a million rows is made of columns; `Grid` says
    what is wrong with them.

    Raises:
        SheetError: the table is missing, broken or lacks a column.

    """
    table: Any = read_sheet(path, columns=COLUMNS, texts=TEXTS)
    if table["value"].dtype.kind not in "fiu":
        import pandas as pd

        numbers: Any = pd.to_numeric(table["value"], errors="coerce")
        wrong = numbers.isna() & table["value"].notna()
        refuse_rows(path, wrong, "has a value that is no number", table["value"])
        table["value"] = numbers
    return table[list(COLUMNS)]


def write_board(board: Board, path: Path) -> None:
    """Write the board's rows, one a system and metric; a missing number is an empty field.

    Raises:
        SheetError: the suffix is neither .csv nor .parquet.
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    columns = [field.name for field in fields(Row)]
    write_sheet(pd.DataFrame([row.to_dict() for row in board.rows], columns=columns), path)
