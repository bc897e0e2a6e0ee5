"""Leaderboard: systems with intervals, two of them compared, and the cases behind a difference."""

import math
from typing import TYPE_CHECKING

import streamlit as st

from likeness.benchmark.board import Board
from likeness.benchmark.gate import gate
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.systems import SYSTEMS, label
from likeness.benchmark.wording import interval_text, percent, reading, relative
from likeness.dashboards import charts, desk
from likeness.dashboards.reading import boards
from likeness.dashboards.reading.boards import Differing
from likeness.dashboards.screens.case import show_case
from likeness.dashboards.wording import plain
from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    import pandas as pd


def show() -> None:
    """Draw the page."""
    st.title("Leaderboard")
    shelf = boards.boards(desk.workspace().path)
    if not shelf:
        st.info(
            "No board yet. `likeness demo` makes one on drawn people; `likeness benchmark --out` "
            "compares checkpoints in a workspace of its own."
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [one.name for one in shelf]
        name = st.selectbox("Board", names, key="board", bind="query-params") or names[0]
        state = next(one.state for one in shelf if one.name == name)
        try:
            rows, board = _read(name, state)
        except LikenessError as error:
            st.error(plain(str(error)))
            return
        metric = st.selectbox(
            "Metric",
            board.metrics,
            format_func=lambda key: METRICS[key].label,
            key="metric",
            bind="query-params",
        )
        controls = st.toggle("Controls", value=True, key="controls", bind="query-params")
    if metric is None:
        st.info("Every value of this board is missing. " + " ".join(map(plain, board.gaps())))
        return
    systems = [s for s in board.systems if controls or s not in SYSTEMS or not SYSTEMS[s].control]
    _board(board, metric, systems)
    if len(systems) > 1 and rows is not None:
        _compare(name, state, metric, systems)
    _exports(name, board, rows is not None)


def _board(board: Board, metric: str, systems: list[str]) -> None:
    column = METRICS[metric]
    arrow = {"higher": "higher is better", "lower": "lower is better"}.get(column.better or "", "")
    st.caption(f"{column.caption} {arrow.capitalize()}." if arrow else column.caption)
    found = [row for name in systems if (row := board.row(name, metric)) is not None]
    sign = -1 if column.better == "higher" else 1
    found.sort(key=lambda row: (math.isnan(row.value), sign * row.value))
    left, right = st.columns([3, 2], gap="medium")
    digits = f"%.{column.digits}f"
    table = {
        "rank": [row.ranks or "–" for row in found],
        "system": [label(row.system) for row in found],
        column.label: [row.value for row in found],
        "from": [row.low for row in found],
        "to": [row.high for row in found],
        "cases": [row.cases for row in found],
        "missing": [row.missing for row in found],
    }
    number = st.column_config.NumberColumn(format=digits)
    left.dataframe(
        table,
        hide_index=True,
        placeholder="–",
        column_config={
            column.label: number,
            "from": st.column_config.NumberColumn(format=digits, help="95 % interval over people"),
            "to": number,
            "rank": st.column_config.TextColumn(
                help="Ranks that tests between all pairs of systems leave open."
            ),
        },
    )
    known = [row for row in found if not math.isnan(row.value)]
    right.plotly_chart(
        charts.forest(column.label, [(label(r.system), r.value, r.low, r.high) for r in known]),
        config=charts.CONFIG,
        key="forest",
    )
    with st.expander("All metrics"):
        every: dict[str, list] = {"system": [label(name) for name in systems]}
        for name in board.metrics:
            cells = [board.row(system, name) for system in systems]
            every[METRICS[name].label] = [None if c is None else c.value for c in cells]
        formats = {
            METRICS[n].label: st.column_config.NumberColumn(
                format=f"%.{METRICS[n].digits}f", help=METRICS[n].caption
            )
            for n in board.metrics
        }
        st.dataframe(every, hide_index=True, column_config=formats, placeholder="–")
        for line in board.gaps():
            st.caption(plain(line))


def _compare(name: str, state: str, metric: str, systems: list[str]) -> None:
    st.subheader("Two systems, case by case")
    left, right = st.columns(2)
    first = systems.index("aligned") if "aligned" in systems else 0
    second = systems.index("base") if "base" in systems else 1
    a = left.selectbox("A", systems, first, format_func=label, key="a", bind="query-params")
    b = right.selectbox("B", systems, second, format_func=label, key="b", bind="query-params")
    if a is None or b is None or a == b:
        st.info("Choose two different systems.")
        return
    board = _against(name, state, a, b)
    found = gate(board, a, b)
    (st.success if found.ship else st.warning)(plain(found.sentence))
    for note in found.notes:
        st.caption(plain(note))
    shares = []
    table: dict[str, list] = {"metric": [], "A − B": [], "relative": [], "cases": [], "reading": []}
    for difference in board.compared(a, b):
        share = relative(board, difference)
        cases, missing = board.pair(difference)
        table["metric"].append(METRICS[difference.metric].label)
        table["A − B"].append("–" if share is None else interval_text(difference))
        table["relative"].append("–" if share is None else percent(share[0]))
        table["cases"].append(cases - missing)
        table["reading"].append(reading(difference))
        if share is not None:
            gain = METRICS[difference.metric].gain
            low, high = sorted((gain(share[1]), gain(share[2])))
            ends = (100 * gain(share[0]), 100 * low, 100 * high)
            shares.append((METRICS[difference.metric].label, *ends))
    left, right = st.columns([3, 2], gap="medium")
    left.dataframe(table, hide_index=True)
    right.plotly_chart(
        charts.forest("gain of A over B, % of B (right is better)", shares, zero=0.0),
        config=charts.CONFIG,
        key="gains",
    )
    _cases(name, metric, (a, b), _differing(name, state, metric, a, b))


def _cases(name: str, metric: str, pair: tuple[str, str], rows: list[Differing]) -> None:
    a, b = map(label, pair)
    st.subheader(f"Where they differ most in {METRICS[metric].label.lower()}")
    if not rows:
        st.info("No case has a value of both.")
        return
    asked = st.query_params.get("case", "")
    cases = [row.case for row in rows]
    digits = st.column_config.NumberColumn(format=f"%.{METRICS[metric].digits}f")
    left, right = st.columns([2, 3], gap="medium")
    with left:
        picked = st.dataframe(
            {
                "gain of A": [row.gain for row in rows],
                "A": [row.a for row in rows],
                "B": [row.b for row in rows],
                "person": [row.identity for row in rows],
                "case": cases,
            },
            hide_index=True,
            height=420,
            key=f"cases {name} {metric} {pair}",
            on_select="rerun",
            selection_mode="single-row",
            selection_default={
                "selection": {"rows": [cases.index(asked)] if asked in cases else []}
            },
            column_config=dict.fromkeys(("gain of A", "A", "B"), digits),
        )
    clicked = picked["selection"]["rows"]
    row = rows[clicked[0] if clicked else cases.index(asked) if asked in cases else 0]
    if clicked and row.case != asked:
        st.query_params["case"] = row.case
    with right:
        show_case(name, row, METRICS[metric], a, b)


def _exports(name: str, board: Board, has_rows: bool) -> None:
    with st.container(horizontal=True):
        stem = name.replace("/", "-")
        st.download_button(
            "Board (JSON)", board.to_json(), f"{stem}.json", "application/json", on_click="ignore"
        )
        if has_rows:
            place = boards.place_of(desk.workspace().path, name)
            st.download_button(
                "Values by case (Parquet)",
                (place / boards.ROWS).read_bytes,
                f"{stem}.parquet",
                on_click="ignore",
            )
        st.caption("Tables are saved as CSV, and charts as SVG, by the buttons at their corners.")


@st.cache_data(max_entries=8, show_spinner="Reading the board")
def _read(name: str, state: str) -> "tuple[pd.DataFrame | None, Board]":
    place = boards.place_of(desk.workspace().path, name)
    rows = boards.measurements(place)
    return rows, boards.board_of(place, rows)


@st.cache_data(max_entries=32, show_spinner="Comparing")
def _against(name: str, state: str, a: str, b: str) -> Board:
    rows, _ = _read(name, state)
    assert rows is not None, "compared only where there are rows"
    return boards.against(rows, a, b)


@st.cache_data(max_entries=32, show_spinner=False)
def _differing(name: str, state: str, metric: str, a: str, b: str) -> list[Differing]:
    rows, _ = _read(name, state)
    return [] if rows is None else boards.differing(rows, metric, a, b)
