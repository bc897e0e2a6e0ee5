"""The self-contained page of a study: verdict, plots, tables, and what was not as planned."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from likeness.benchmark.report.svg import element, span, ticks

Point = tuple[str, float, float, float]  # name, value, and the ends of its interval
_WIDE, _ROW, _NAMES = 640, 22, 190


def paper(told: dict[str, Any]) -> str:
    """Write the page of what `outcome` returned; it asks for nothing else."""
    study = told["study"]
    turing = told["kind"] == "turing"
    raters = told["raters"] if turing else len({row["rater"] for row in told["raters"]})
    setting = (
        f"{'Turing test' if turing else 'Rating study'}, {study['answers']} of "
        f"{study['answers_due']} answers, {raters} raters counted"
    )
    sections = (_turing(told) if turing else _rating(told)) + _conduct(told)
    return Template(_text("likeness.benchmark.studies", "paper.html")).substitute(
        title=escape(study["name"]),
        style=_text("likeness.benchmark.report", "page.css"),
        setting=escape(setting),
        verdict=_verdict(told) if turing else "",
        sections=sections,
    )


def _verdict(told: dict[str, Any]) -> str:
    test, (low, high) = told["equivalence"], told["accuracy_clustered"]
    if test["equivalent"]:
        head, rest = "People are at chance", f"within {test['margin']:g} of one half"
    elif not math.isnan(low) and low > 0.5:
        head, rest = "People can tell", "the real clip from the generated one"
    elif not math.isnan(high) and high < 0.5:
        head, rest = "People take the generated clip for the real one", "more often than not"
    else:
        head, rest = "Undecided", f"neither a difference nor equality within {test['margin']:g}"
    ends = "no interval" if math.isnan(low) else f"{low:.3f} to {high:.3f}"
    line = f"{rest}. Accuracy {told['accuracy']:.3f} ({ends} for other raters and cases)."
    body = element("p", element("strong", head) + escape(line[0].upper() + line[1:]))
    return element("div", body, class_=f"verdict {'ship' if test['equivalent'] else 'hold'}")


def _turing(told: dict[str, Any]) -> str:
    near = (0.5 - told["equivalence"]["margin"], 0.5 + told["equivalence"]["margin"])
    raters = [(r["rater"], r["accuracy"], r["low"], r["high"]) for r in told["per_rater"]]
    study = told["study"]
    fooled = [
        ("one rater or more", told["fooled_any"], told["expected_fooled_any"]),
        ("most raters", told["fooled_majority"], told["expected_fooled_majority"]),
    ]
    cases = sorted(told["per_case"], key=lambda row: row["accuracy"])
    model = told["mixed_model"]
    numbers = [
        ("d'", f"{told['d_prime']:.2f}"),
        ("position bias (left)", f"{told['position_bias']:+.3f}"),
        ("p against chance, exact", f"{told['p_chance']:.3g}"),
        ("p of equivalence, clustered", f"{told['equivalence']['p_clustered']:.3g}"),
        ("average rater and case", f"{model['accuracy']:.3f}"),
        ("deviation of raters, of cases (log-odds)",
         f"{model['rater_sd']:.2f}, {model['case_sd']:.2f}"),
    ]  # fmt: skip
    parts = _section("Figures", _table(("", ""), numbers))
    parts += _section(
        "Accuracy by rater",
        _plot(raters, (0.0, 1.0), near),
        "With Wilson's 95 % intervals. The band is what counts as chance.",
    )
    if study["systems"]:
        rows = [(r["system"], r["accuracy"], *r["accuracy_clustered"]) for r in study["systems"]]
        parts += _section("Accuracy by system", _plot(rows, (0.0, 1.0), near))
    sure = [(r["said"], r["accuracy"], r["low"], r["high"])
            for r in study["confidence"] if r["answers"]]  # fmt: skip
    parts += _section("Accuracy by confidence", _plot(sure, (0.0, 1.0), near))
    parts += _section(
        "Cases that fooled",
        _table(
            ("", "share of cases", "expected of independent raters"),
            [(name, f"{seen:.3f}", f"{due:.3f}") for name, seen, due in fooled],
        ),
        f"At most {told['ceiling_fooled_any']:.3f} of cases can have fooled somebody with this "
        "accuracy. The share grows with the number of raters and says nothing without it.",
    )
    parts += _section(
        "Cases",
        _table(
            ("case", "answers", "fooled", "accuracy"),
            [(r["case"], r["answers"], r["fooled"], f"{r['accuracy']:.2f}") for r in cases],
        ),
    )
    reasons = [(name, count) for name, count in study["reasons"].items()]
    return parts + (_section("Why", _table(("reason", "named"), reasons)) if reasons else "")


def _rating(told: dict[str, Any]) -> str:
    parts = ""
    dimensions = dict.fromkeys(row["dimension"] for row in told["items"])
    for dimension in dimensions:
        systems = [(r["system"], r["mos"], r["low"], r["high"])
                   for r in told["study"]["systems"] if r["dimension"] == dimension]  # fmt: skip
        items = [(r["item"], r["mos"], r["low"], r["high"])
                 for r in told["items"] if r["dimension"] == dimension]  # fmt: skip
        body = element("h3", "Systems") + _plot(systems, (1.0, 5.0))
        body += element("h3", "Clips") + _plot(items, (1.0, 5.0))
        lead = "Mean opinion scores, 1 to 5. Of systems: over cases; of clips: over raters."
        parts += _section(dimension.replace("_", " ").capitalize(), body, lead)
    straight = told["study"]["straight"]
    rows = [
        (r["rater"], r["dimension"], f"{r['bias']:+.2f}", f"{r['inconsistency']:.2f}",
         "yes" if r["straight_line"] else "", f"{straight.get(r['rater'], math.nan):.2f}")
        for r in told["raters"]
    ]  # fmt: skip
    head = ("rater", "dimension", "bias", "inconsistency", "hardly varies", "answers all alike")
    return parts + _section("Raters", _table(head, rows))


def _conduct(told: dict[str, Any]) -> str:
    study = told["study"]
    repeats = study["repeats"]
    again = (
        f"{repeats['pairs']} repeats, the same answer in {repeats['same']:.2f}"
        if "same" in repeats
        else f"{repeats['pairs']} repeated ratings, {repeats['apart']:.2f} points apart on average"
    )
    playing = study["playing"]
    lines = [
        again if repeats["pairs"] else "nothing was asked twice",
        f"clips played {playing['played']} times, {playing['stalled']} of them interrupted",
        *(f"left out by the plan: {rater}, {why}" for rater, why in study["left_out"].items()),
        *told["notes"],
    ]
    planned = study["deviations"] or ["nothing: study and analysis are as planned"]
    return (
        _section("How it was held", _list(lines))
        + _section("Not as planned", _list(planned))
        + _section("Plan", element("p", element("code", escape(study["planned"]))),
                   "Hash of the plan, of who was asked what, and of the media.")
    )  # fmt: skip


def _plot(
    points: Sequence[Point], scale: tuple[float, float], near: tuple[float, float] | None = None
) -> str:
    """Draw values with intervals below each other on one scale."""
    if not points:
        return element("p", "nothing to show", class_="quiet")
    low, high = scale if all(math.isfinite(v) for p in points for v in p[1:2]) else span([])
    height = _ROW * len(points) + 26

    def x(value: float) -> float:
        clipped = min(max(value, low), high)
        return _NAMES + (clipped - low) / (high - low) * (_WIDE - _NAMES - 60)

    marks = ""
    if near:
        marks += element("rect", class_="near", x=x(near[0]), y=0, width=x(near[1]) - x(near[0]),
                         height=height - 22)  # fmt: skip
    for tick in ticks(low, high):
        marks += element("line", class_="grid", x1=x(tick), x2=x(tick), y1=0, y2=height - 22)
        marks += element("text", f"{tick:g}", x=x(tick), y=height - 6, text_anchor="middle")
    for place, (name, value, least, most) in enumerate(points):
        mid = _ROW * place + _ROW / 2
        shown = name if len(name) < 27 else f"{name[:25]}…"
        marks += element("text", escape(shown), class_="name", x=0, y=mid + 4)
        if math.isfinite(least) and math.isfinite(most):
            marks += element("line", class_="ci", x1=x(least), x2=x(most), y1=mid, y2=mid)
        if math.isfinite(value):
            marks += element("circle", class_="dot", cx=x(value), cy=mid, r=4)
            marks += element("text", f"{value:.2f}", x=_WIDE - 44, y=mid + 4)
    return element("svg", marks, class_="plot", viewBox=f"0 0 {_WIDE} {height}", width=_WIDE,
                   height=height, role="img", aria_label="values with intervals")  # fmt: skip


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    top = "".join(element("th", escape(name), scope="col") for name in head)
    body = "".join(
        element(
            "tr",
            element("th", escape(str(row[0])), scope="row")
            + "".join(element("td", escape(str(cell)), class_="num") for cell in row[1:]),
        )
        for row in rows
    )
    made = element("thead", element("tr", top)) if any(head) else ""
    return element("div", element("table", made + element("tbody", body)), class_="scroll")


def _section(heading: str, body: str, lead: str = "") -> str:
    told = element("p", escape(lead), class_="lead") if lead else ""
    return element("section", element("h2", escape(heading)) + told + body)


def _list(lines: Sequence[str]) -> str:
    return element("ul", "".join(element("li", escape(line)) for line in lines))


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text("utf-8")
