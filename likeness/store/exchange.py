"""Preference pairs as tables that others read: CSV, Parquet, or a folder of datasets.Dataset."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.store.atomic import making_folder
from likeness.store.records import Condition, Pair, RecordError, Sample
from likeness.store.sheets import SUFFIXES, SheetError, read_sheet, refuse_rows, write_sheet

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("prompt", "chosen", "rejected", "margin", "weight", "dimension")
"""What trainers read; `chosen` and `rejected` are clip ids."""

KEPT = ("id", "condition", "winner", "loser", "source", "scores")
"""What a pair is rebuilt from; `winner` and `loser` are sample ids, `scores` is JSON."""


def pair_table(
    pairs: Iterable[Pair], samples: Mapping[str, Sample], conditions: Mapping[str, Condition]
) -> "pd.DataFrame":
    """Lay pairs out as a table with `COLUMNS`, then `KEPT`.

    `dimension` is that of the pair's scores, or its source where they name none.

    Args:
        pairs: any.
        samples: by id, those of the pairs.
        conditions: by id, likewise.

    """
    import pandas as pd

    rows = [
        {
            "prompt": conditions[pair.condition].prompt,
            "chosen": samples[pair.winner].clip,
            "rejected": samples[pair.loser].clip,
            "margin": pair.margin,
            "weight": pair.weight,
            "dimension": str(pair.scores.get("dimension", pair.source)),
            "id": pair.id,
            "condition": pair.condition,
            "winner": pair.winner,
            "loser": pair.loser,
            "source": pair.source,
            "scores": json.dumps(pair.scores, sort_keys=True),
        }
        for pair in pairs
    ]
    return pd.DataFrame(rows, columns=[*COLUMNS, *KEPT])


def write_pairs(table: "pd.DataFrame", path: str | Path) -> None:
    """Write a table of pairs: `.csv`, `.parquet`, or without a suffix a folder of a Dataset.

    Raises:
        SheetError: another suffix.
        WriteError: the folder has something in it.
        DiskFullError: no room on the disk.

    """
    path = Path(path)
    if path.suffix:
        write_sheet(table, path)
        return
    from datasets import Dataset

    with making_folder(path) as partial:
        Dataset.from_pandas(table, preserve_index=False).save_to_disk(str(partial))


def read_pairs(path: str | Path) -> list[Pair]:
    """Read what `write_pairs` wrote.

    Raises:
        SheetError: the table is missing, broken, lacks a column, or a row is no longer the pair
            that its id says.

    """
    path = Path(path)
    table = _read(path)
    pairs, changed = [], []
    for number, row in enumerate(table.to_dict("records"), start=1):
        try:
            pair = _pair(row)
        except (RecordError, ValueError, TypeError) as error:
            raise SheetError(f"{path}: row {number} is no pair ({error})") from error
        pairs.append(pair)
        changed.append(pair.id != row["id"])
    refuse_rows(path, changed, "was changed since it was written; export the pairs again")
    return pairs


def _read(path: Path) -> "pd.DataFrame":
    if path.suffix.lower() in SUFFIXES:
        return read_sheet(path, columns=(*COLUMNS, *KEPT))
    if not (path / "dataset_info.json").is_file():
        raise SheetError(f"{path}: neither a CSV or Parquet table nor a folder of a Dataset")
    from datasets import Dataset

    table: Any = Dataset.load_from_disk(str(path)).to_pandas()
    if absent := _absent(table.columns):
        raise SheetError(f"{path}: lacks column {', '.join(absent)}")
    return table


def _absent(columns: Sequence[str]) -> list[str]:
    return [name for name in (*COLUMNS, *KEPT) if name not in columns]


def _pair(row: Mapping[Any, Any]) -> Pair:
    return Pair(
        condition=str(row["condition"]),
        winner=str(row["winner"]),
        loser=str(row["loser"]),
        margin=float(row["margin"]),
        weight=float(row["weight"]),
        source=str(row["source"]),
        scores=json.loads(row["scores"]),
    )
