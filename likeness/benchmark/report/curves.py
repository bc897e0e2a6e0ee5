"""Training curves as pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from likeness.benchmark.report.svg import element, span, ticks

SIZE = (440, 230)
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 28
TONES = 4
WINDOW_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve.

    Attributes:
        label: name in the legend.
        x: steps, rising.
        y: values, NaN for a gap.
        tone: which of the palette's colours.
        dashed: drawn dashed, so that colour is not needed to tell it.

    """

    label: str
    x: Sequence[float]
    y: Sequence[float]
    tone: int = 0
    dashed: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Curves on one pair of axes.

    Attributes:
        title: what is drawn.
        caption: how to read it, in a plain sentence.
        lines: the curves.
        level: a value to compare with, drawn as a line.

    """

    title: str
    caption: str
    lines: tuple[Line, ...]
    level: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    title: str
    caption: str
    keys: tuple[tuple[str, str], ...]
    level: float | None = None


_QUANTITIES = (
    _Quantity(
        title="Preference loss",
        caption="The DPO term. It starts at ln 2 (line) where the model does not yet prefer "
        "either side.",
        keys=(("dpo", ""),),
        level=math.log(2),
    ),
    _Quantity(
        title="Pairs ranked right",
        caption="Share of a batch in which the model moved towards the winner more than towards "
        "the loser; one half (line) is no preference.",
        keys=(("accuracy", ""),),
        level=0.5,
    ),
    _Quantity(
        title="Error against the frozen base",
        caption="How much worse than the base checkpoint the model predicts winners and losers. "
        "Winners should stay at or below zero (line); both rising is the usual failure of DPO.",
        keys=(("winner_rise", "winners"), ("loser_rise", "losers")),
        level=0.0,
    ),
    _Quantity(
        title="Flow-matching loss",
        caption="The anchor that keeps the model a generator; it should not rise.",
        keys=(("mse", ""),),
    ),
)


def training_charts(runs: Mapping[str, Sequence[Mapping[str, float]]]) -> tuple[Chart, ...]:
    """Choose the curves of masked DPO that are worth a look.

    Args:
        runs: name of a run -> its rows of metrics.jsonl; a row without a key is no point of it.

    Returns:
        A chart for each quantity that some run logged.

    """
    charts = []
    for quantity in _QUANTITIES:
        lines = []
        for tone, (run, records) in enumerate(runs.items()):
            for side, (key, name) in enumerate(quantity.keys):
                rows = [row for row in records if key in row and "step" in row]
                if rows:
                    lines.append(
                        Line(
                            label=f"{run}, {name}" if name else run,
                            x=[float(row["step"]) for row in rows],
                            y=[float(row[key]) for row in rows],
                            tone=tone % TONES,
                            dashed=bool(side),
                        )
                    )
        if lines:
            charts.append(
                Chart(
                    title=quantity.title,
                    caption=quantity.caption,
                    lines=tuple(lines),
                    level=quantity.level,
                )
            )
    return tuple(charts)


def smooth(values: Sequence[float], window: int) -> list[float]:
    """Centred running mean over up to `window` finite values; NaN where there is none."""
    half = window // 2
    means = []
    for i in range(len(values)):
        near = [v for v in values[max(0, i - half) : i + half + 1] if math.isfinite(v)]
        means.append(sum(near) / len(near) if near else math.nan)
    return means


def draw(chart: Chart) -> str:
    """Draw a chart as a figure with its caption and legend."""
    window = max(1, round(WINDOW_SHARE * max(len(line.x) for line in chart.lines)))
    curves = [(line, smooth(line.y, window)) for line in chart.lines]
    shown = [y for _, values in curves for y in values]
    x_range = span([x for line in chart.lines for x in line.x], 0)
    y_range = span(shown if chart.level is None else [*shown, chart.level])
    marks = _grid(x_range, y_range)
    if chart.level is not None:
        y = _y(chart.level, y_range)
        marks += element("line", class_="level", x1=LEFT, x2=SIZE[0] - RIGHT, y1=y, y2=y)
    for line, values in curves:
        marks += _path(line, values, x_range, y_range)
    picture = element(
        "svg", marks, class_="chart", viewBox=f"0 0 {SIZE[0]} {SIZE[1]}", role="img",
        aria_label=f"{chart.title} by training step",
    )  # fmt: skip
    legend = "".join(_legend(line) for line in chart.lines)
    head = element("h3", escape(chart.title)) + element("p", legend, class_="legend")
    caption = element("figcaption", escape(chart.caption))
    return element("figure", head + picture + caption, class_="curve")


def _grid(x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    marks = ""
    for value in ticks(*y_range):
        y = _y(value, y_range)
        marks += element("line", class_="grid", x1=LEFT, x2=SIZE[0] - RIGHT, y1=y, y2=y)
        marks += element("text", f"{value:.4g}", x=LEFT - 6, y=y + 3.5, text_anchor="end")
    for value in ticks(*x_range):
        x = _x(value, x_range)
        marks += element("text", f"{value:.6g}", x=x, y=SIZE[1] - 10, text_anchor="middle")
    return marks


def _path(
    line: Line, values: Sequence[float], x_range: tuple[float, float], y_range: tuple[float, float]
) -> str:
    steps, pen = [], "M"
    for x, y in zip(line.x, values, strict=True):
        if not math.isfinite(y):
            pen = "M"
            continue
        steps.append(f"{pen}{_x(x, x_range):.1f} {_y(y, y_range):.1f}")
        pen = "L"
    return element("path", class_=_style(line), d="".join(steps))


def _legend(line: Line) -> str:
    swatch = element(
        "svg", element("path", class_=_style(line), d="M0 5H22"), width=22, height=10,
        aria_hidden="true",
    )  # fmt: skip
    return element("span", swatch + escape(line.label))


def _style(line: Line) -> str:
    return f"line tone{line.tone}{' dashed' if line.dashed else ''}"


def _x(value: float, x_range: tuple[float, float]) -> float:
    low, high = x_range
    return LEFT + (value - low) / (high - low) * (SIZE[0] - LEFT - RIGHT)


def _y(value: float, y_range: tuple[float, float]) -> float:
    low, high = y_range
    return SIZE[1] - BOTTOM - (value - low) / (high - low) * (SIZE[1] - TOP - BOTTOM)
