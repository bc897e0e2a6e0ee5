"""Which clips there are, and what is known of them."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from likeness.store.record import content_id
from likeness.store.sheets import SUFFIXES, from_sheet, read_sheet
from likeness.training.corpus.settings import CorpusError

if TYPE_CHECKING:
    import pandas as pd

PROMPT = "a person"  # where a clip has none
_PROMPTS = ("prompt", "caption")  # the second is what `likeness testbed render` writes


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A clip of a folder or a table.

    Attributes:
        name: relative to the folder or the table, with forward slashes.
        path: of the file.
        prompt: what is seen.
        identity: who is shown; None where nobody says.
        scene: where; None where nobody says.

    """

    name: str
    path: Path
    prompt: str = PROMPT
    identity: str | None = None
    scene: str | None = None

    @property
    def key(self) -> str:
        """What its record is called by: all of what is known that goes into its shards."""
        return content_id([self.name, self.prompt])


def listed(source: Path, people: Path | None = None) -> list[Listed]:
    """List clips in the order of their names.

    Args:
        source: a folder, all of whose files but tables and hidden ones are taken; or a CSV or
            Parquet table with a column `path` and, where known, `identity`, `scene` and `prompt`.
            Paths are relative to the table.
        people: a table of `path` and `identity`, and where wanted `scene`, of clips in ``source``.

    Raises:
        CorpusError: there are none, one is named twice, or ``people`` names one that isn't there.
        SheetError: a table can't be read or lacks a column.

    """
    clips = _of_folder(source) if source.is_dir() else _of_table(source)
    if not clips:
        raise CorpusError(f"{source}: no clips in it; put films of talking people there")
    counts = Counter(clip.name for clip in clips)
    if doubled := sorted(name for name, count in counts.items() if count > 1):
        raise CorpusError(f"{source} names {doubled[0]} more than once: keep one of its rows")
    if people is not None:
        clips = _told(clips, people)
    return sorted(clips, key=lambda clip: clip.name)


def _of_folder(folder: Path) -> list[Listed]:
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() not in SUFFIXES)
    names = [(path.relative_to(folder), path) for path in paths]
    return [
        Listed(name=name.as_posix(), path=path)
        for name, path in names
        if not any(part.startswith(".") for part in name.parts)
    ]


def _of_table(sheet: Path) -> list[Listed]:
    table = read_sheet(sheet, columns=("path",))
    prompts = next((column for column in _PROMPTS if column in table.columns), None)
    clips = []
    for number in range(len(table)):
        name = _cell(table, number, "path")
        if name is None:
            raise CorpusError(f"{sheet}: row {number + 1} has no path")
        clips.append(
            Listed(
                name=Path(name).as_posix(),
                path=from_sheet(name, sheet),
                prompt=(_cell(table, number, prompts) if prompts else None) or PROMPT,
                identity=_cell(table, number, "identity"),
                scene=_cell(table, number, "scene"),
            )
        )
    return clips


def _told(clips: list[Listed], sheet: Path) -> list[Listed]:
    table = read_sheet(sheet, columns=("path", "identity"))
    places = {clip.path.resolve(): place for place, clip in enumerate(clips)}
    told = list(clips)
    for number in range(len(table)):
        name = _cell(table, number, "path")
        place = None if name is None else places.get(from_sheet(name, sheet).resolve())
        if place is None:
            raise CorpusError(f"{sheet}: {name} in row {number + 1} is none of the clips")
        told[place] = replace(
            told[place],
            identity=_cell(table, number, "identity"),
            scene=_cell(table, number, "scene") or told[place].scene,
        )
    return told


def _cell(table: "pd.DataFrame", row: int, column: str) -> str | None:
    """Return a cell's text; None where it is empty or there is no such column."""
    if column not in table.columns:
        return None
    value = table[column].fillna("").iloc[row]
    text = str(value).strip()
    return text or None
