"""Home: where things stand, and first steps where there is nothing yet."""

import streamlit as st

from likeness.benchmark.gate import gate
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.systems import label
from likeness.dashboards import desk, launching
from likeness.dashboards.reading import boards, runs
from likeness.dashboards.reading.standing import Standing, standing
from likeness.dashboards.wording import number, plain
from likeness.store.errors import LikenessError

LAST = 8  # runs
COLUMNS = 4  # metrics of the board


def show() -> None:
    """Draw the page."""
    st.title("Likeness")
    workspace = desk.workspace()
    with workspace.reading() as connection:
        stands = standing(connection)
    names = runs.names(workspace.path)
    lines = [runs.line_of(workspace.path, name) for name in names[:LAST]]
    shelf = boards.boards(workspace.path)
    if stands.empty and not names and not shelf:
        _first_steps()
        return
    _counts(stands, len(names))
    _alarms(stands, lines)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _board(shelf)
    with right:
        _runs(lines)


def _first_steps() -> None:
    st.markdown("This workspace is empty. First steps:")
    if desk.demo_folder() is not None:
        st.markdown(
            "1. Fill it with the testbed: drawn people, samples, scores, pairs, an alignment and "
            "a board. On two cores this takes about five minutes."
        )
        if launching.filling():
            st.info("The testbed is being filmed. This page shows what is there when reloaded.")
        elif st.button("Fill with the testbed", type="primary"):
            launching.fill(desk.workspace().path)
            st.rerun()
    else:
        st.markdown(
            "1. See it full: `likeness demo` makes drawn people, samples, scores, pairs, an "
            "alignment and a board in `demo/workspace`, and `likeness dashboard demo/workspace` "
            "shows them."
        )
    st.markdown(
        "2. Or bring your own: `likeness generate --table` makes clips, `likeness score` and "
        "`likeness pairs` judge them, `likeness align` trains on the pairs."
    )


def _counts(stands: Standing, made: int) -> None:
    told = (
        ("People", stands.people),
        ("Samples", stands.samples),
        ("Scores", stands.scores),
        ("Pairs", stands.pairs),
        ("Runs", made),
        ("Open comparisons", stands.open),
    )
    for column, (name, count) in zip(st.columns(len(told)), told, strict=True):
        column.metric(name, f"{count:,}")


def _alarms(stands: Standing, lines: list[runs.Line]) -> None:
    if stands.tainted:
        st.warning(
            f"{stands.tainted} checkpoints learnt from people who were forgotten since. Train "
            "them again before they are used."
        )
    for line in lines:
        if line.state in ("lost", "failed", "unreadable"):
            st.warning(f"Run {plain(line.id)} is {line.state}. {plain(line.message)}")


def _board(shelf: list[boards.Shelved]) -> None:
    st.subheader("Newest board")
    if not shelf:
        st.info("No board yet. `likeness benchmark --out` compares checkpoints.")
        return
    name = shelf[0].name
    place = boards.place_of(desk.workspace().path, name)
    try:
        board = boards.board_of(place, None)
    except LikenessError as error:
        st.error(plain(str(error)))
        return
    if {"aligned", "base"} <= set(board.systems):
        found = gate(board)
        (st.success if found.ship else st.warning)(plain(found.sentence))
    table: dict[str, list] = {"system": [label(system) for system in board.systems]}
    for metric in board.metrics[:COLUMNS]:
        column = METRICS[metric]
        cells = [board.row(system, metric) for system in board.systems]
        table[column.label] = [number(c and c.value, column.digits) for c in cells]
    st.dataframe(table, hide_index=True)
    st.page_link(
        st.session_state["pages"]["leaderboard"],
        label=f"Open {plain(name)}",
        query_params={"board": name},
    )


def _runs(lines: list[runs.Line]) -> None:
    st.subheader("Last runs")
    if not lines:
        st.info("No runs yet. Launch one under Runs, or with `likeness align`.")
        return
    for line in lines:
        st.page_link(
            st.session_state["pages"]["runs"],
            label=f"{plain(line.id)} · {line.state}, step {line.step:,}",
            query_params={"run": line.id},
        )
