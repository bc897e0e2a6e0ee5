"""Which clips are to be scored: files, folders and tables to jobs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from likeness.rewards.scoring.job import Job
from likeness.store.errors import LikenessError
from likeness.store.sheets import SUFFIXES, SheetError, from_sheet, read_sheet

if TYPE_CHECKING:
    import pandas as pd

FILMS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
COLUMNS = ("path", "reference", "target", "prompt", "caption", "identity", "scene")


class ListingError(LikenessError):
    """Nothing to score, or a table that doesn't say what."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What clips are compared with that name nothing else.

    Attributes:
        reference: a film of the person who is to be seen.
        target: the true clip.
        prompt: what the text asked for.

    """

    reference: Path | None = None
    target: Path | None = None
    prompt: str | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is to be scored.

    Attributes:
        jobs: in order, none twice.
        notes: what was passed over.

    """

    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()


def listed(sources: Sequence[Path], given: Given) -> Listing:
    """List clips to score.

    Args:
        sources: films; folders, of which every film is taken, those of folders within too, but
            nothing hidden; CSV or Parquet tables with a column `path` and where wanted
            `reference`, `target`, `prompt` (or `caption`), `identity` and `scene`. Paths are
            relative to their table.
        given: goes for clips whose table doesn't say otherwise.

    Raises:
        ListingError: a folder without films, a table without rows or with a row without a path.
        SheetError: a table can't be read or has no column `path`.

    """
    jobs: list[Job] = []
    notes: list[str] = []
    for source in sources:
        if source.is_dir():
            found, note = _of_folder(source, given)
        elif source.suffix.lower() in SUFFIXES:
            found, note = _of_table(source, given)
        else:
            found, note = [_job(source, given)], None
        jobs += found
        notes += [note] if note else []
    return Listing(jobs=tuple(dict.fromkeys(jobs)), notes=tuple(notes))


def _job(path: Path, given: Given) -> Job:
    return Job(
        name=str(path),
        clip=path,
        reference=given.reference,
        target=given.target,
        prompt=given.prompt,
    )


def _of_folder(folder: Path, given: Given) -> tuple[list[Job], str | None]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    films = [path for path in files if path.suffix.lower() in FILMS]
    if not films:
        raise ListingError(
            f"{folder}: no films in it; films are called {', '.join(f'*{end}' for end in FILMS)}"
        )
    others = len(files) - len(films)
    note = f"{folder}: {others} of {len(files)} files are no films by their names" if others else ""
    return [_job(path, given) for path in films], note or None


def _of_table(sheet: Path, given: Given) -> tuple[list[Job], str | None]:
    table = read_sheet(sheet, columns=("path",))
    if table.empty:
        raise SheetError(f"{sheet}: has no rows; give it one for each clip")
    jobs = [_row(table, number, sheet, given) for number in range(len(table))]
    unknown = [str(column) for column in table.columns if column not in COLUMNS]
    note = (
        f"{sheet}: column {', '.join(unknown)} is not looked at; known are {', '.join(COLUMNS)}"
        if unknown
        else None
    )
    return jobs, note


def _row(table: "pd.DataFrame", number: int, sheet: Path, given: Given) -> Job:
    cells = {column: _cell(table, number, column) for column in COLUMNS}
    name, reference, target = cells["path"], cells["reference"], cells["target"]
    if name is None:
        raise ListingError(f"{sheet}: row {number + 1} has no path")
    path = from_sheet(name, sheet)
    return Job(
        name=str(path),
        clip=path,
        reference=from_sheet(reference, sheet) if reference else given.reference,
        target=from_sheet(target, sheet) if target else given.target,
        prompt=cells["prompt"] or cells["caption"] or given.prompt,
        identity=cells["identity"],
        scene=cells["scene"],
    )


def _cell(table: "pd.DataFrame", row: int, column: str) -> str | None:
    """Return a cell's text; None where it is empty or there is no such column."""
    import pandas as pd

    if column not in table.columns:
        return None
    value = table[column].iloc[row]
    return None if pd.isna(value) else str(value).strip() or None
