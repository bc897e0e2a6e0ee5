"""Which clips there are, and what is known of them: folders, tables, TalkVid's records."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from likeness.rewards.scoring.listing import FILMS, Given
from likeness.rewards.scoring.listing import listed as listed_films
from likeness.store.errors import LikenessError
from likeness.store.record import content_id
from likeness.store.sheets import from_sheet, read_sheet

PROMPT = "a person talking"  # where nobody says what is seen
RECORDS = ".json"
_PATHS = ("path", "video-path", "video_path", "video")
_PROMPTS = ("prompt", "caption")
_CLOSE = 0.05  # seconds by which the name of a cut file may differ from its record


class CurationError(LikenessError):
    """Clips that can't be curated, or a curation that can't go on."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A clip of a collection.

    Attributes:
        name: what tables call it: relative to the folder or table, or a record's id.
        path: of the film.
        start: seconds into the film where it begins.
        end: seconds into the film where it ends; None for the film's end.
        identity: who is shown, where somebody says so.
        source: what it was cut from, where somebody says so; else each film is its own source.
        prompt: what is seen.

    """

    name: str
    path: Path
    start: float = 0.0
    end: float | None = None
    identity: str | None = None
    source: str | None = None
    prompt: str = PROMPT

    @property
    def key(self) -> str:
        """What its record is called by."""
        return content_id([self.name, self.start, self.end])

    @property
    def origin(self) -> str:
        """What it was cut from."""
        return self.source or str(self.path)


def candidates(source: Path) -> list[Candidate]:
    """List clips in the order of their names.

    Args:
        source: a folder, of which every film is taken; a CSV or Parquet table with a column
            `path` and, where known, `start`, `end`, `identity`, `source` and `prompt` (or
            `caption`); or a JSON list of TalkVid's records. Paths are relative to the table.

    Raises:
        CurationError: there are none, one is named twice, or a row makes no sense.
        ListingError, SheetError: the folder or table can't be read.

    """
    if source.is_dir():
        films = listed_films([source], Given()).jobs
        found = [
            Candidate(name=job.clip.relative_to(source).as_posix(), path=job.clip) for job in films
        ]
    elif source.suffix.lower() == RECORDS:
        found = _of_records(source)
    else:
        found = _of_table(source)
    if not found:
        raise CurationError(f"{source}: no clips in it")
    counts = Counter(clip.name for clip in found)
    if doubled := sorted(name for name, count in counts.items() if count > 1):
        raise CurationError(f"{source} names {doubled[0]} more than once: keep one of its rows")
    return sorted(found, key=lambda clip: clip.name)


def _of_table(sheet: Path) -> list[Candidate]:
    table = read_sheet(sheet, columns=("path",))
    rows = table.astype(object).where(table.notna(), None)
    many = Counter(rows["path"]).most_common(1)[0][1] > 1 if len(rows) else False
    found = []
    for number, row in enumerate(rows.to_dict("records"), 1):
        where = f"{sheet}: row {number}"
        path = _text(row, "path")
        if path is None:
            raise CurationError(f"{where} has no path")
        start, end = _seconds(row, "start", where) or 0.0, _seconds(row, "end", where)
        _check_times(start, end, where)
        name = Path(path).as_posix() + (f" at {start:g}" if many else "")
        found.append(
            Candidate(
                name=name,
                path=from_sheet(path, sheet),
                start=start,
                end=end,
                identity=_text(row, "identity"),
                source=_text(row, "source"),
                prompt=next((p for c in _PROMPTS if (p := _text(row, c))), PROMPT),
            )
        )
    return found


def _of_records(sheet: Path) -> list[Candidate]:
    """Read TalkVid's records: id, start-time, end-time, info with Person ID and Video Link."""
    try:
        records = json.loads(sheet.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CurationError(f"{sheet}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise CurationError(f"{sheet}: no JSON ({error})") from error
    if not isinstance(records, list):
        raise CurationError(f"{sheet}: a list of records is expected, as TalkVid's")
    return [_record(record, sheet, number) for number, record in enumerate(records, 1)]


def _record(record: Any, sheet: Path, number: int) -> Candidate:
    where = f"{sheet}: record {number}"
    if not isinstance(record, dict) or not _text(record, "id"):
        raise CurationError(f"{where} has no id")
    info = record.get("info")
    info = info if isinstance(info, dict) else {}
    start = _seconds(record, "start-time", where)
    end = _seconds(record, "end-time", where)
    _check_times(start or 0.0, end, where)
    link = _text(info, "Video Link")
    person = _text(info, "Person ID")
    name = str(record["id"])
    return Candidate(
        name=name,
        path=_film(record, name, link, (start, end), sheet.parent),
        start=start or 0.0,
        end=end,
        identity=None if person is None else f"person {person}",
        source=link,
        prompt=_text(record, "description") or PROMPT,
    )


def _film(
    record: Mapping[str, Any],
    name: str,
    link: str | None,
    times: tuple[float | None, float | None],
    folder: Path,
) -> Path:
    """Find a record's film: named by it, called by its id, or as TalkVid's download names it."""
    for column in _PATHS:
        if told := _text(record, column):
            return folder / told
    for ending in FILMS:
        if (path := folder / f"{name}{ending}").is_file():
            return path
    video = (link or "").split("watch?v=")[-1].split("&")[0].rstrip("/").split("/")[-1]
    inner = folder / video
    for path in sorted(inner.glob(f"{video}_*")) if video and inner.is_dir() else []:
        if path.suffix.lower() in FILMS and _cut_at(path.stem, times):
            return path
    return folder / f"{name}.mp4"  # it isn't there, and the curation will say so


def _cut_at(stem: str, times: tuple[float | None, float | None]) -> bool:
    """Whether a name such as VIDEO_001_0.100_5.142 tells these times."""
    try:
        told = [float(part) for part in stem.split("_")[-2:]]
    except ValueError:
        return False
    return all(
        known is not None and abs(known - said) <= _CLOSE
        for known, said in zip(times, told, strict=False)
    )


def _check_times(start: float, end: float | None, where: str) -> None:
    if start < 0 or (end is not None and end <= start):
        raise CurationError(f"{where}: start {start:g} and end {end} are no stretch of a film")


def _seconds(row: Mapping[str, Any], column: str, where: str) -> float | None:
    value = row.get(column)
    if value is None or value == "":
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = math.nan
    if not math.isfinite(seconds):
        raise CurationError(f"{where}: {column} must be seconds, got {value!r}")
    return seconds


def _text(row: Mapping[str, Any], column: str) -> str | None:
    value = row.get(column)
    return None if value is None else str(value).strip() or None
