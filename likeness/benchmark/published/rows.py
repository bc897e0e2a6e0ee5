import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from likeness.store.errors import LikenessError
from likeness.store.records import Record

MARK = "published, not measured here"
PACKAGED = ("tavr", "avatar_v")
FIXED = ("source", "table", "page", "protocol", "system")
_SIDES: dict[str, Literal["higher", "lower"]] = {"↑": "higher", "↓": "lower"}


class PublishedError(LikenessError):
    """A table of published figures that can't be read."""


@dataclass(frozen=True, kw_only=True)
class Published(Record):
    """One figure of a paper: published, not measured here.

    It has no cases, so it has no interval, and no test or rank ever takes it in.

    Attributes:
        source: the paper.
        table: its table.
        page: where in the paper.
        protocol: what the systems were shown, in the paper's words.
        system: the paper's name of the system.
        metric: the paper's name of the metric.
        better: which way is good; None where the heading doesn't say.
        text: the figure as it is printed, such as `10.90`.

    Raises:
        PublishedError: a field is empty, or the figure is no number.

    """

    source: str
    table: str
    page: str
    protocol: str
    system: str
    metric: str
    better: Literal["higher", "lower"] | None
    text: str

    def __post_init__(self) -> None:
        for name in (*FIXED, "metric"):
            if not getattr(self, name):
                raise PublishedError(f"a published figure needs its {name}, got {self}")
        try:
            finite = math.isfinite(float(self.text))
        except ValueError:
            finite = False
        if not finite:
            raise PublishedError(
                f"{self.metric} of {self.system} is {self.text!r}, which is no number; leave the "
                "field empty where the paper has none"
            )

    @property
    def value(self) -> float:
        """The figure as a number."""
        return float(self.text)

    @property
    def heading(self) -> str:
        """The metric with the arrow that says which way is good."""
        arrow = {"higher": " ↑", "lower": " ↓", None: ""}[self.better]
        return f"{self.metric}{arrow}"


@dataclass(frozen=True, kw_only=True)
class PaperTable:
    """Figures as a table, as the paper prints it.

    Attributes:
        title: the table, the paper and where in it.
        headings: of the columns: system, protocol, then the metrics.
        rows: their texts; empty where the paper has no figure.

    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_published(name: str | Path) -> tuple[Published, ...]:
    """Read a packaged table by its name, or a CSV file.

    Columns: source, table, page, protocol and system, then one for each metric, headed as in the
    paper with an arrow up or down where one side is better. An empty field is a figure that the
    paper does not have.

    Raises:
        PublishedError: there is no such table, it lacks a column, or a field is no number.

    """
    packaged = str(name) in PACKAGED
    place: Any = (
        files("likeness.benchmark.published").joinpath(f"{name}.csv") if packaged else Path(name)
    )
    if not place.is_file():
        raise PublishedError(
            f"no table at {name}; give a CSV file, or one that comes with Likeness: "
            f"{', '.join(PACKAGED)}"
        )
    try:
        lines = list(csv.reader(place.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise PublishedError(f"{name} is no CSV table ({error})") from None
    heading = lines[0] if lines else []
    if absent := [column for column in FIXED if column not in heading]:
        raise PublishedError(
            f"{name} lacks column {', '.join(absent)}; a table of published figures has "
            f"{', '.join(FIXED)}, then its metrics such as 'Sync-C ↑'"
        )
    found: list[Published] = []
    for number, fields in enumerate(lines[1:], start=1):
        if len(fields) != len(heading):
            raise PublishedError(
                f"{name}: row {number} has {len(fields)} fields, the heading {len(heading)}"
            )
        found += _figures(dict(zip(heading, fields, strict=True)), f"{name}: row {number}")
    if not found:
        raise PublishedError(f"{name} holds no figure")
    return tuple(found)


def _figures(row: Mapping[str, str], where: str) -> Iterable[Published]:
    fixed = {name: row[name].strip() for name in FIXED}
    for heading, text in row.items():
        if heading in FIXED or not text.strip():
            continue
        side = _SIDES.get(heading.strip()[-1:])
        metric = heading.strip().rstrip("".join(_SIDES)).strip()
        try:
            yield Published(**fixed, metric=metric, better=side, text=text.strip())
        except PublishedError as error:
            raise PublishedError(f"{where}: {error}") from None


def tables(figures: Sequence[Published]) -> tuple[PaperTable, ...]:
    """Lay figures out by source and table, in the order in which they come."""
    grouped: dict[tuple[str, str], list[Published]] = {}
    for figure in figures:
        grouped.setdefault((figure.source, figure.table), []).append(figure)
    laid = []
    for (source, table), those in grouped.items():
        metrics = tuple(dict.fromkeys(figure.heading for figure in those))
        cells: dict[tuple[str, str], dict[str, str]] = {}
        for figure in those:
            cells.setdefault((figure.system, figure.protocol), {})[figure.heading] = figure.text
        laid.append(
            PaperTable(
                title=f"{table}, {source} ({those[0].page})",
                headings=("system", "protocol", *metrics),
                rows=tuple(
                    (*who, *(found.get(metric, "") for metric in metrics))
                    for who, found in cells.items()
                ),
            )
        )
    return tuple(laid)
