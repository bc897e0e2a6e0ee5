"""Measurements and boards as CSV or Parquet tables."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from likeness.benchmark.board import Board, Row
from likeness.benchmark.measurements import Measurement
from likeness.store.sheets import read_sheet, write_sheet

COLUMNS = tuple(field.name for field in fields(Measurement))


def write_measurements(rows: Iterable[Measurement], path: Path) -> None:
    """Write the rows behind a board, from which it can be built again.

    Raises:
        SheetError: the suffix is neither .csv nor .parquet.
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    write_sheet(pd.DataFrame([row.to_dict() for row in rows], columns=list(COLUMNS)), path)


def read_measurements(path: Path) -> list[Measurement]:
    """Read rows that `write_measurements` wrote.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        MeasurementError: a row has both a value and a reason, or neither.

    """
    table = read_sheet(path, columns=COLUMNS)
    names = ["system", "case", "identity", "metric"]
    table[names] = table[names].astype(str)
    return [
        Measurement.from_dict({name: row[name] for name in COLUMNS})
        for row in table.to_dict("records")
    ]


def write_board(board: Board, path: Path) -> None:
    """Write the board's rows, one a system and metric; a missing number is an empty field.

    Raises:
        SheetError: the suffix is neither .csv nor .parquet.
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    columns = [field.name for field in fields(Row)]
    write_sheet(pd.DataFrame([row.to_dict() for row in board.rows], columns=columns), path)
