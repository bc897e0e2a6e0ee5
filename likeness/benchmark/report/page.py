import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference
from likeness.benchmark.gate import gate
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.report import beside, curves, forest, leaderboard, showcase
from likeness.benchmark.report.curves import Chart
from likeness.benchmark.report.parts import heading, number, section
from likeness.benchmark.report.showcase import Showcase
from likeness.benchmark.report.svg import element
from likeness.benchmark.rule import Rule
from likeness.benchmark.systems import label
from likeness.benchmark.wording import chance_text, interval_text, percent, reading, relative
from likeness.store.atomic import write_bytes
from likeness.store.records import content_id


@dataclass(frozen=True, kw_only=True)
class Report:
    """A page that holds everything it shows: no request leaves it.

    Attributes:
        title: heading.
        setting: a plain sentence or two: what was done, and on what it is shown.
        board: the numbers.
        showcases: rows of clips.
        charts: training curves.
        compared: the system that may ship and the one it replaces; None where nothing is to be
            decided.
        rule: what shipping takes.
        sort: metric by whose lower bound systems are sorted.

    """

    title: str
    setting: str
    board: Board
    showcases: tuple[Showcase, ...] = ()
    charts: tuple[Chart, ...] = ()
    compared: tuple[str, str] | None = ("aligned", "base")
    rule: Rule = field(default_factory=Rule)
    sort: str = "identity_target"

    def html(self) -> str:
        """Write the page: the same text for the same report, as far as its clips encode alike."""
        parts = files("likeness.benchmark.report")
        read = {name: parts.joinpath(name).read_text("utf-8") for name in _FILES}
        sections = {
            "title": escape(self.title),
            "setting": escape(self.setting),
            "style": read["page.css"],
            "script": read["page.js"],
            "verdict": _verdict(self),
            "shows": _shows(self.showcases),
            "changes": _changes(self.board, self.rule),
            "board": leaderboard.draw(self.board, self.sort),
            "people": beside.people(self.board),
            "published": beside.published(self.board),
            "withdrawn": beside.withdrawn(self.board),
            "training": _training(self.charts),
            "reading": _reading(self.board),
            "manifest": _manifest(self.board.manifest),
        }
        return Template(read["page.html"]).substitute(sections)

    def write(self, path: Path) -> None:
        """Write report.html, whole or not at all.

        Raises:
            DiskFullError: no room on the disk.
            MediaError: a clip can't be encoded.

        """
        write_bytes(path, self.html().encode())


_FILES = ("page.html", "page.css", "page.js")


def _verdict(report: Report) -> str:
    if report.compared is None:
        return ""
    a, b = report.compared
    if a not in report.board.systems or b not in report.board.systems:
        said = f"Nothing to decide: the board does not hold both {label(a)} and {label(b)}."
        return element("div", element("p", escape(said)), class_="verdict none")
    found = gate(report.board, a, b, report.rule)
    head, _, rest = found.sentence.partition(": ")
    body = element("p", element("strong", escape(head)) + escape(rest[0].upper() + rest[1:]))
    body += "".join(element("p", escape(note), class_="doubt") for note in found.notes)
    return element("div", body, class_=f"verdict {'ship' if found.ship else 'hold'}")


def _shows(showcases: tuple[Showcase, ...]) -> str:
    if not showcases:
        return ""
    rows = "".join(showcase.draw(row, number) for number, row in enumerate(showcases))
    lead = (
        "Each row plays together. Sound comes from the clip that is marked; all clips loop with "
        "it. Enlarged with a Lanczos filter, nothing else is done to them."
    )
    return section("clips", "Side by side", lead, rows)


def _changes(board: Board, rule: Rule) -> str:
    if not board.differences:
        return ""
    shares = [share for d in board.differences if (share := relative(board, d))]
    edge = forest.limit(shares)
    bodies = ""
    for a, b in dict.fromkeys((d.a, d.b) for d in board.differences):
        title = f"{label(a)} against {label(b)}"
        rows = element("tr", element("th", escape(title), colspan=7, scope="rowgroup"))
        for d in board.compared(a, b):
            guarded = _allowed(board, d, rule)
            cases, missing = board.pair(d)
            share = relative(board, d)
            rows += element(
                "tr",
                element("th", heading(d.metric), scope="row")
                + element("td", _values(board, d.metric, b, a), class_="num")
                + element("td", _signed(d.value, interval_text(d)), class_="num")
                + element("td", _signed(d.value, percent(share[0]) if share else ""), class_="num")
                + element("td", forest.change(board, d, edge, guarded), class_="plot")
                + element("td", chance_text(d.p_holm), class_="num")
                + element("td", _word(reading(d), cases, missing), class_="word"),
            )
        bodies += element("tbody", rows)
    head = "".join(
        element("th", text, scope="col")
        for text in ("", "Before → after", "Change [95 %]", "Relative", forest.axis(
            edge, rule.tolerance), "p (Holm)", "Reading")
    )  # fmt: skip
    lead = (
        "The same cases with the same noise, compared case by case. Intervals treat people, not "
        "clips, as the unit; p values are corrected by Holm over the comparisons of a metric. The "
        "plot shows each change as a share of the value before, better to the right; a dotted "
        "line is what may be lost of a metric that the rule guards."
    )
    table = element("table", element("thead", element("tr", head)) + bodies, class_="changes")
    return section("changes", "What changed", lead, element("div", table, class_="scroll"))


def _allowed(board: Board, difference: Difference, rule: Rule) -> float | None:
    """Give the loss that the rule allows as a share of the value before, or None."""
    margin, before = rule.guards.get(difference.metric), board.row(difference.b, difference.metric)
    if margin is None or before is None or not before.value:
        return None
    return margin.absolute(before.value) / abs(before.value)


def _values(board: Board, metric: str, before: str, after: str) -> str:
    shown = []
    for system in (before, after):
        row = board.row(system, metric)
        shown.append("—" if row is None else number(row.value, metric))
    return " → ".join(shown)


def _word(word: str, cases: int, missing: int) -> str:
    count = f"{cases - missing} of {cases} cases" if missing else f"{cases} cases"
    return element("span", word, class_=word.replace(" ", "-")) + element("small", count)


def _training(charts: tuple[Chart, ...]) -> str:
    if not charts:
        return ""
    drawn = element("div", "".join(curves.draw(chart) for chart in charts), class_="curves")
    lead = "By training step, smoothed over a twentieth of the run."
    return section("training", "Training", lead, drawn)


def _reading(board: Board) -> str:
    terms = ""
    for name in board.metrics:
        terms += element("dt", heading(name)) + element("dd", escape(METRICS[name].caption))
    return section("reading", "What the numbers mean", "", element("dl", terms, class_="terms"))


def _manifest(manifest: Mapping[str, Any]) -> str:
    told = {key: value for key, value in manifest.items() if key not in _COUNTS}
    # A hash for each metric is for a program to compare; a person compares one a system.
    rows_of = manifest.get("measurements") or {}
    told["measurements"] = {system: content_id(hashes) for system, hashes in rows_of.items()}
    rows = "".join(
        element("tr", element("th", escape(key), scope="row") + element("td", _code(value)))
        for key, value in _flat(told)
    )
    lead = "Seeds, versions and hashes: with these the page can be made again."
    table = element("div", element("table", rows, class_="manifest"), class_="scroll")
    return section("manifest", "Provenance", lead, table)


_COUNTS = ("pairs", "missing", "comparisons")


def _flat(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and plain texts of nested JSON values."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        yield path, ", ".join(str(item) for item in value)
    else:
        yield path, "" if value is None else str(value)


def _code(text: str) -> str:
    return element("code", escape(text))


def _signed(value: float, text: str) -> str:
    return "—" if math.isnan(value) else text
