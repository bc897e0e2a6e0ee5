import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from likeness.store.atomic import replacing
from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

SUFFIXES = (".csv", ".parquet")


class SheetError(LikenessError):
    """A table that can't be read or written."""


def read_sheet(
    path: str | Path, *, columns: tuple[str, ...] = (), texts: tuple[str, ...] = ()
) -> "pd.DataFrame":
    """Read a CSV or Parquet table with a header, by its suffix.

    Args:
        path: the table.
        columns: names it must have.
        texts: columns that are texts even where they look like numbers, such as `007`.

    Raises:
        SheetError: the file is missing, of another kind, empty, broken, or lacks a column.

    """
    import pandas as pd
    import pyarrow

    path = Path(path)
    suffix = _suffix(path)
    if not path.is_file():
        raise SheetError(f"{path}: there is no such table")
    try:
        if suffix == ".csv":
            table = pd.read_csv(path, dtype=dict.fromkeys(texts, str))
        else:
            table = pd.read_parquet(path)
    except (ValueError, pyarrow.ArrowException) as error:
        raise SheetError(f"{path}: not a {suffix[1:]} table ({error})") from error
    if absent := [column for column in columns if column not in table.columns]:
        raise SheetError(
            f"{path}: lacks column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}"
        )
    return table


def refuse_rows(
    path: Path,
    wrong: "ArrayLike",
    what: str,
    values: "pd.Series | None" = None,
    *,
    error: type[LikenessError] = SheetError,
) -> None:
    """Name the first wrong row of a table, counted from 1 without the header.

    Args:
        path: the table.
        wrong: (rows,) bool.
        what: what is wrong with such a row, as `has no rater`.
        values: of which the first wrong one is quoted.
        error: what is raised.

    Raises:
        LikenessError: some row is wrong.

    """
    found = np.flatnonzero(np.asarray(wrong))
    if len(found):
        said = f" ({values.iloc[found[0]]!r})" if values is not None else ""
        more = f"; so have {len(found) - 1} more rows" if len(found) > 1 else ""
        raise error(f"{path}: row {found[0] + 1} {what}{said}{more}")


def write_sheet(table: "pd.DataFrame", path: str | Path) -> None:
    """Write a table as CSV or Parquet by the suffix, whole or not at all.

    Raises:
        SheetError: another suffix.
        DiskFullError: no room on the disk.

    """
    path = Path(path)
    suffix = _suffix(path)
    with replacing(path) as temporary:
        if suffix == ".csv":
            table.to_csv(temporary, index=False)
        else:
            table.to_parquet(temporary, index=False)


def relative_to_sheet(path: str | Path, sheet: str | Path) -> str:
    """Return how a table names a file: relative to the table's folder, with forward slashes.

    Raises:
        SheetError: the file lies on another drive.

    """
    try:
        relative = os.path.relpath(Path(path).resolve(), Path(sheet).resolve().parent)
    except ValueError as error:
        raise SheetError(f"{path} can't be named relative to {sheet}") from error
    return Path(relative).as_posix()


def from_sheet(name: str, sheet: str | Path) -> Path:
    """Return the path of a file that a table names."""
    return Path(sheet).parent / name


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise SheetError(f"{path}: tables are {' or '.join(SUFFIXES)} files")
    return suffix
