"""The charts of the pages, in the palette of the ground that they are drawn on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from likeness.dashboards.reading.spread import BINS, Dot, Histogram
from likeness.dashboards.theme import palette
from likeness.dashboards.wording import label

TALL = 340
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_GREY = "#85888e"


def histogram(reward: str, found: Histogram) -> go.Figure:
    """Draw how samples spread over a reward's values, a line a checkpoint, as shares."""
    figure = _figure(reward, "share of samples")
    edges = [found.low + found.width * place for place in range(BINS + 1)]
    for place, (checkpoint, counts) in enumerate(found.counts.items()):
        total = sum(counts)
        shares = [count / total for count in counts]
        figure.add_scatter(
            x=edges,
            y=[*shares, shares[-1]],
            name=f"{label(checkpoint)} (n = {total})",
            line={"shape": "hv", "width": 2, "dash": _DASHES[place % len(_DASHES)]},
            hovertemplate="%{y:.1%} from %{x:.3f}<extra>%{fullData.name}</extra>",
        )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    return figure


def pairs(reward: str, dots: Sequence[Dot]) -> go.Figure:
    """Draw the winners' values against the losers'; above the diagonal the winner has more."""
    figure = _figure(f"{reward} of the loser", f"{reward} of the winner")
    ends = [v for dot in dots for v in (dot.loser, dot.winner)]
    line = [min(ends), max(ends)] if ends else [0.0, 1.0]
    figure.add_scatter(
        x=line,
        y=line,
        mode="lines",
        line={"color": _GREY, "dash": "dot", "width": 1},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_scatter(
        x=[dot.loser for dot in dots],
        y=[dot.winner for dot in dots],
        customdata=[dot.sample for dot in dots],
        mode="markers",
        marker={"size": 7, "opacity": 0.6},
        showlegend=False,
        hovertemplate="loser %{x:.3f}, winner %{y:.3f}<extra></extra>",
    )
    figure.update_layout(height=480)
    return figure


def training(
    metric: str, runs: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]]
) -> go.Figure:
    """Draw a metric by step: of each run the steps, the values and the smoothed values."""
    figure = _figure("", "")
    figure.update_layout(
        title={"text": label(metric), "font": {"size": 14}, "x": 0},
        height=230,
        legend={"orientation": "h", "yanchor": "top", "y": -0.15, "x": 0},
        uirevision=metric,  # a zoom outlasts new points
    )
    for place, (run, (steps, _, smooth)) in enumerate(runs.items()):
        figure.add_scatter(
            x=list(steps),
            y=[_gap(value) for value in smooth],
            name=label(run),
            legendgroup=run,
            line={"width": 2, "dash": _DASHES[place % len(_DASHES)]},
            hovertemplate="step %{x}: %{y:.5g}<extra>%{fullData.name}</extra>",
            showlegend=len(runs) > 1,
        )
    for run, (steps, values, _) in runs.items():  # below: the first ones have the first colours
        figure.add_scatter(
            x=list(steps),
            y=[_gap(value) for value in values],
            legendgroup=run,
            mode="lines",
            line={"width": 1, "color": _GREY},
            opacity=0.35,
            hoverinfo="skip",
            showlegend=False,
        )
    return figure


def forest(
    title: str, rows: Sequence[tuple[str, float, float, float]], zero: float | None = None
) -> go.Figure:
    """Draw values with their intervals, one below the other: name, value, low, high."""
    figure = _figure(title, "")
    figure.add_scatter(
        x=[row[1] for row in rows],
        y=[label(row[0]) for row in rows],
        mode="markers",
        marker={"size": 10},
        showlegend=False,
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [_reach(row[3] - row[1]) for row in rows],
            "arrayminus": [_reach(row[1] - row[2]) for row in rows],
            "thickness": 2,
            "width": 5,
        },
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )
    if zero is not None:
        figure.add_vline(x=zero, line={"color": _GREY, "dash": "dot", "width": 1})
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_layout(height=max(150, 70 + 32 * len(rows)))
    return figure


def _figure(across: str, up: str) -> go.Figure:
    figure = go.Figure()
    figure.update_layout(
        colorway=palette(),
        height=TALL,
        margin={"l": 10, "r": 10, "t": 36, "b": 10},
        xaxis_title=label(across),
        yaxis_title=label(up),
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )
    return figure


def _gap(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _reach(value: float) -> float:
    return value if math.isfinite(value) else 0.0


CONFIG: dict[str, Any] = {"displaylogo": False, "toImageButtonOptions": {"format": "svg"}}
