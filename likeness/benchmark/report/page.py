import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from likeness.benchmark.board import Board, Row
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.report import curves, forest, showcase
from likeness.benchmark.report.curves import Chart
from likeness.benchmark.report.showcase import Showcase
from likeness.benchmark.report.svg import element, span
from likeness.benchmark.systems import SYSTEMS, label
from likeness.benchmark.table import reading
from likeness.benchmark.verdict import Rule, interval_text, percent, relative, verdict
from likeness.store.atomic import write_bytes


@dataclass(frozen=True, kw_only=True)
class Report:
    """A page that holds everything it shows: no request leaves it.

    Attributes:
        title: heading.
        setting: a plain sentence or two: what was done, and on what it is shown.
        board: the numbers.
        showcases: rows of clips.
        charts: training curves.
        compared: the system that may ship and the one it replaces.
        rule: what shipping takes.

    """

    title: str
    setting: str
    board: Board
    showcases: tuple[Showcase, ...] = ()
    charts: tuple[Chart, ...] = ()
    compared: tuple[str, str] = ("aligned", "base")
    rule: Rule = field(default_factory=Rule)

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
            "board": _board(self.board),
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


def _section(name: str, heading: str, lead: str, body: str) -> str:
    head = element("h2", escape(heading)) + (
        element("p", escape(lead), class_="lead") if lead else ""
    )
    return element("section", head + body, id=name)


def _verdict(report: Report) -> str:
    a, b = report.compared
    if a not in report.board.systems or b not in report.board.systems:
        said = f"Nothing to decide: the board does not hold both {label(a)} and {label(b)}."
        return element("div", element("p", escape(said)), class_="verdict none")
    found = verdict(report.board, a, b, report.rule)
    head, _, rest = found.sentence.partition(": ")
    body = element("p", element("strong", escape(head)) + escape(rest[0].upper() + rest[1:]))
    body += "".join(element("p", escape(doubt), class_="doubt") for doubt in found.doubts)
    return element("div", body, class_=f"verdict {'ship' if found.ship else 'hold'}")


def _shows(showcases: tuple[Showcase, ...]) -> str:
    if not showcases:
        return ""
    rows = "".join(showcase.draw(row, number) for number, row in enumerate(showcases))
    lead = (
        "Each row plays together. Sound comes from the clip that is marked; all clips loop with "
        "it. Enlarged with a Lanczos filter, nothing else is done to them."
    )
    return _section("clips", "Side by side", lead, rows)


def _changes(board: Board, rule: Rule) -> str:
    if not board.differences:
        return ""
    shares = [share for d in board.differences if (share := relative(board, d))]
    edge = forest.limit(shares)
    bodies = ""
    for a, b in dict.fromkeys((d.a, d.b) for d in board.differences):
        title = f"{label(a)} against {label(b)}"
        rows = element("tr", element("th", escape(title), colspan=6, scope="rowgroup"))
        for d in board.compared(a, b):
            guarded = rule.tolerance if d.metric in rule.guards else None
            cases, missing = board.pair(d)
            share = relative(board, d)
            rows += element(
                "tr",
                element("th", _heading(d.metric), scope="row")
                + element("td", _values(board, d.metric, b, a), class_="num")
                + element("td", _signed(d.value, interval_text(d)), class_="num")
                + element("td", _signed(d.value, percent(share[0]) if share else ""), class_="num")
                + element("td", forest.change(board, d, edge, guarded), class_="plot")
                + element("td", _word(reading(d), cases, missing), class_="word"),
            )
        bodies += element("tbody", rows)
    head = "".join(
        element("th", text, scope="col")
        for text in ("", "Before → after", "Change [95 %]", "Relative", forest.axis(
            edge, rule.tolerance), "Reading")
    )  # fmt: skip
    lead = (
        "The same cases with the same noise, compared case by case. Intervals treat people, not "
        "clips, as the unit. The plot shows each change as a share of the value before, better "
        f"to the right; the dotted line is the {100 * rule.tolerance:g} % that may be lost."
    )
    table = element("table", element("thead", element("tr", head)) + bodies, class_="changes")
    return _section("changes", "What changed", lead, element("div", table, class_="scroll"))


def _values(board: Board, metric: str, before: str, after: str) -> str:
    shown = []
    for system in (before, after):
        row = board.row(system, metric)
        shown.append("—" if row is None else _number(row.value, metric))
    return " → ".join(shown)


def _word(word: str, cases: int, missing: int) -> str:
    count = f"{cases - missing} of {cases} cases" if missing else f"{cases} cases"
    return element("span", word, class_=word.replace(" ", "-")) + element("small", count)


def _board(board: Board) -> str:
    scales = {
        name: span(
            [edge for row in board.rows if row.metric == name
             for edge in (row.value, row.low, row.high)]
        )
        for name in board.metrics
    }  # fmt: skip
    head = element("th", "", scope="col")
    head += "".join(element("th", _heading(name), scope="col") for name in board.metrics)
    groups: dict[str, str] = {"Checkpoints": "", "Controls": ""}
    for system in board.systems:
        known = SYSTEMS.get(system)
        name = element("b", escape(label(system)))
        name += element("small", escape(known.caption)) if known else ""
        cells = "".join(_cell(board.row(system, m), scales[m]) for m in board.metrics)
        group = "Controls" if known and known.control else "Checkpoints"
        groups[group] += element("tr", element("th", name, scope="row") + cells)
    bodies = "".join(
        element(
            "tbody",
            element("tr", element("th", group, colspan=len(board.metrics) + 1, scope="rowgroup"))
            + rows,
        )
        for group, rows in groups.items()
        if rows
    )
    table = element("table", element("thead", element("tr", head)) + bodies, class_="board")
    lead = (
        "Mean over all cases, with the 95 % interval over people under it as numbers and as a "
        "line; each column has one scale. Arrows say which way is better."
    )
    body = element("div", table, class_="scroll") + _absent(board)
    return _section("board", "Board", lead, body)


def _cell(row: Row | None, scale: tuple[float, float]) -> str:
    if row is None:
        return element("td", "", class_="num")
    if math.isnan(row.value):
        text = element("b", "—") + element("small", f"all {row.missing} missing", class_="lost")
        return element("td", text, class_="num")
    known = not math.isnan(row.low)
    ends = f"{_number(row.low, row.metric)} – {_number(row.high, row.metric)}"
    text = element("b", _number(row.value, row.metric))
    text += element("small", ends if known else "one person: no interval")
    text += forest.whisker(row, scale)
    if row.missing:
        text += element("small", f"{row.missing} of {row.cases} missing", class_="lost")
    return element("td", text, class_="num")


def _absent(board: Board) -> str:
    notes = "".join(element("li", escape(line)) for line in board.gaps())
    if not notes:
        return element("p", "No value is missing.", class_="quiet")
    return element("ul", notes, class_="quiet")


def _training(charts: tuple[Chart, ...]) -> str:
    if not charts:
        return ""
    drawn = element("div", "".join(curves.draw(chart) for chart in charts), class_="curves")
    lead = "By training step, smoothed over a twentieth of the run."
    return _section("training", "Training", lead, drawn)


def _reading(board: Board) -> str:
    terms = ""
    for name in board.metrics:
        terms += element("dt", _heading(name)) + element("dd", escape(METRICS[name].caption))
    return _section("reading", "What the numbers mean", "", element("dl", terms, class_="terms"))


def _manifest(manifest: Mapping[str, object]) -> str:
    rows = "".join(
        element("tr", element("th", escape(key), scope="row") + element("td", _code(value)))
        for key, value in _flat({k: v for k, v in manifest.items() if k not in _COUNTS})
    )
    lead = "Seeds, versions and hashes: with these the page can be made again."
    table = element("div", element("table", rows, class_="manifest"), class_="scroll")
    return _section("manifest", "Provenance", lead, table)


_COUNTS = ("pairs", "missing")


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


def _heading(metric: str) -> str:
    arrow = {"higher": ("↑", "higher is better"), "lower": ("↓", "lower is better")}
    sign, title = arrow.get(METRICS[metric].better or "", ("", ""))
    mark = element("abbr", sign, title=title) if sign else ""
    return f"{escape(METRICS[metric].label)} {mark}".strip()


def _number(value: float, metric: str) -> str:
    return "—" if math.isnan(value) else f"{value:.{METRICS[metric].digits}f}".replace("-", "−")


def _signed(value: float, text: str) -> str:
    return "—" if math.isnan(value) else text
