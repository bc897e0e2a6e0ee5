"""A check's report as Markdown and as a page with curves."""

import math
from collections.abc import Sequence

from likeness.benchmark.statistics import Estimate
from likeness.cli.checking.catalogue import KNOWN, REENCODED
from likeness.cli.checking.responses import Report, Response, sign

COLUMNS = 3
PANEL = 260  # pixels


def markdown(report: Report) -> str:
    """Write all tables."""
    parts = [
        f"Intervals are 95 % over people ({len(report.people)} of them).",
        "### What must hold\n\n" + _findings(report),
        "### Each defect and the reward that is to tell it\n\n" + _own(report),
        "### What each defect does to every reward, at full dose\n\n" + _all(report),
        "### Re-encoding alone\n\n" + _reencoding(report),
        "### Time a clip\n\n" + _times(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def curves_page(report: Report) -> str:
    """Draw a curve for each defect and the reward that is to tell it: one HTML file, no network."""
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    own = [r for r in report.responses if r.own or _codec_shown(r)]
    if not own:
        return "<!doctype html><title>Rewards and defects</title><p>No defect was planted.</p>"
    rows = -(-len(own) // COLUMNS)
    titles = [f"{r.defect}: {r.reward}" for r in own]
    figure = make_subplots(rows=rows, cols=COLUMNS, subplot_titles=titles)
    for index, response in enumerate(own):
        first = [] if response.defect == REENCODED else [0.0]
        values = [0.0] * len(first) + [e.value for e in response.changes]
        up = [0.0] * len(first) + [e.high - e.value for e in response.changes]
        curve = go.Scatter(
            x=[*first, *response.doses],
            y=values,
            error_y={"type": "data", "array": up},
            mode="lines+markers",
            line={"color": "#3b6ea5" if sign(response.reward) > 0 else "#a5533b"},
            showlegend=False,
        )
        figure.add_trace(curve, row=index // COLUMNS + 1, col=index % COLUMNS + 1)
    figure.update_layout(
        title="Change of each reward by dose; lower is better where the curve is red",
        height=PANEL * rows + 100,
        template="plotly_white",
    )
    return figure.to_html(include_plotlyjs=True, full_html=True, div_id="curves")


def _codec_shown(response: Response) -> bool:
    return response.defect == REENCODED and response.reward in {"identity_ref", "sync_c", "quality"}


def _findings(report: Report) -> str:
    rows = [[f.claim, f.measured, "yes" if f.holds else "**no**"] for f in report.findings]
    return _table(["claim", "measured", "holds"], rows)


def _own(report: Report) -> str:
    rows = []
    for r in (r for r in report.responses if r.own):
        what = KNOWN[r.defect].what
        steps = ", ".join(_signed(e.value) for e in r.changes)
        rows.append(
            [
                r.defect,
                what,
                r.reward,
                _number(report.levels[r.reward].value),
                steps,
                _interval(r.changes[-1]),
                f"{r.rank.value:.2f}",
                _percent(r.violation),
            ]
        )
    doses = next((r.doses for r in report.responses if r.own), ())
    head = [
        "defect",
        "full dose",
        "reward",
        "true clips",
        f"change at {', '.join(f'{d:g}' for d in doses)}",
        "interval at full dose",
        "rank correlation",
        "violation",
    ]
    note = (
        "Rank correlation is Spearman's of dose and goodness within a person, -1 at best. "
        "Violation is how far the mean curve is from falling, as a share of its range."
    )
    return _table(head, rows) + "\n\n" + note


def _all(report: Report) -> str:
    rewards = list(report.levels)
    defects = [d for d in KNOWN if any(r.defect == d for r in report.responses)]
    rows = []
    for defect in defects:
        found = [report.response(defect, reward) for reward in rewards]
        rows.append([defect, *(_change(r.changes[-1]) if r else "-" for r in found)])
    note = "In brackets: the interval holds 0."
    return _table(["defect", *rewards], rows) + "\n\n" + note


def _reencoding(report: Report) -> str:
    rewards = [name for name in report.levels if report.response(REENCODED, name)]
    if not rewards:
        return ""
    first = report.response(REENCODED, rewards[0])
    assert first is not None
    rows = []
    for name in rewards:
        found = report.response(REENCODED, name)
        assert found is not None
        rows.append(
            [name, _number(report.levels[name].value), *(_change(e) for e in found.changes)]
        )
    head = ["reward", "true clips", *(f"CRF {crf:g}" for crf in first.doses)]
    return _table(head, rows)


def _times(report: Report) -> str:
    rows = [[name, f"{1000 * seconds:.1f}"] for name, seconds in report.seconds.items()]
    return _table(["step", "ms, median"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


def _change(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "-"
    doubtful = not (estimate.low > 0 or estimate.high < 0)
    return f"({_signed(estimate.value)})" if doubtful else _signed(estimate.value)


def _interval(estimate: Estimate) -> str:
    return f"{_signed(estimate.low)} .. {_signed(estimate.high)}"


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:+.2f}" if abs(value) < 9.995 else f"{value:+.1f}"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
