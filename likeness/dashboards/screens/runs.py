"""Runs: how they stand, their curves as they come, comparison, stop and resume, launch."""

import streamlit as st

from likeness.dashboards import charts, desk, launching
from likeness.dashboards.reading import runs
from likeness.dashboards.reading.runs import Curve, Line
from likeness.dashboards.screens.launch import show_launch
from likeness.dashboards.wording import plain
from likeness.store.errors import LikenessError
from likeness.store.steering import GOING as MOVING
from likeness.store.steering import ask_to_stop
from likeness.store.toml import to_toml

GOING = (*MOVING, "starting")
PAGE = 50  # runs of a list
MOST = 6  # runs side by side: more can't be told apart
LAG = 1.0  # seconds between two looks at what is going on
FIRST = ("loss", "dpo", "accuracy", "mse", "reward", "winner_rise", "loser_rise", "grad_norm")
"""Metrics that are shown where nothing else was chosen, as far as they are there."""
SHOWN = 6


def show() -> None:
    """Draw the page."""
    st.title("Runs")
    launching.warm_up()
    view = st.segmented_control(
        "View",
        ["Watch", "Launch"],
        default="Watch",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == "Launch":
        show_launch()
        return
    path = desk.workspace().path
    part = st.text_input(
        "Find", key="find", bind="query-params", placeholder="part of a run's name", width=320
    )
    found = runs.names(path, part or "")
    if not found:
        st.info(
            "No run of that name."
            if part
            else "No runs yet. Launch one above, or start one with `likeness align`."
        )
        return
    chosen = _chosen(found)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        lines = [_line(name) for name in found[:PAGE]]
        _list(lines, chosen, len(found))
    with right:
        if chosen:
            _watch(chosen)
        else:
            st.info("Choose a run, or several to compare them.")


def _chosen(found: list[str]) -> list[str]:
    return [name for name in st.query_params.get_all("run") if name in found][:MOST]


def _list(lines: list[Line], chosen: list[str], total: int) -> None:
    names = [line.id for line in lines]
    picked = st.dataframe(
        {
            "run": names,
            "state": [line.state for line in lines],
            "step": [line.step for line in lines],
            "kind": [line.kind for line in lines],
            "made": [line.created[:16].replace("T", " ") for line in lines],
        },
        hide_index=True,
        height=600 if len(lines) > 16 else "auto",
        key=f"runs {hash(tuple(names))}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [names.index(name) for name in chosen if name in names]}
        },
    )
    if total > len(lines):
        st.caption(f"The newest {len(lines)} of {total:,}; find others by a part of their name.")
    for line in lines:
        if line.state in ("unreadable", "lost", "failed"):
            st.caption(f"{plain(line.id)}: {line.state}. {plain(line.message)}")
    clicked = [names[row] for row in picked["selection"]["rows"]][:MOST]
    if set(clicked) != set(chosen):
        st.query_params["run"] = clicked
        st.rerun()


def _watch(chosen: list[str]) -> None:
    going = any(_line(name).state in GOING for name in chosen)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        weight = st.slider("Smoothing", 0.0, 0.99, 0.6, key="smoothing", bind="query-params")
        known = sorted({name for run in chosen for name in _curves(run)})
        metrics = st.multiselect(
            "Metrics",
            known,
            [name for name in FIRST if name in known][:SHOWN] or known[:SHOWN],
            key="metrics",
        )
    live = st.fragment(_live, run_every=LAG if going else None)
    live(chosen, metrics, weight, going)
    if len(chosen) == 1:
        _alone(chosen[0])
    else:
        _differences(chosen)


def _live(chosen: list[str], metrics: list[str], weight: float, going: bool) -> None:
    lines = [_line(name) for name in chosen]
    for line in lines:
        told = f": {plain(line.message)}" if line.message else ""
        st.markdown(f"**{plain(line.id)}** · {line.state} at step {line.step:,}{told}")
        _buttons(line)
    found = {name: _curves(name) for name in chosen}
    if not any(found.values()):
        st.info("Nothing measured yet.")
    columns = st.columns(2)
    for place, metric in enumerate(metrics):
        drawn = {
            name: (curve.steps, curve.values, runs.smoothed(curve.values, weight))
            for name, curves in found.items()
            if (curve := curves.get(metric))
        }
        if drawn:
            columns[place % 2].plotly_chart(
                charts.training(metric, drawn), config=charts.CONFIG, key=f"curve {metric}"
            )
    if len(chosen) == 1 and (tail := _tail(chosen[0])) is not None:
        st.code(tail, language=None, height=220)
    if going and not any(line.state in GOING for line in lines):
        st.rerun()  # the last look: what has ended is no longer looked at


def _buttons(line: Line) -> None:
    path = desk.workspace().path
    try:
        if line.state in ("running", "stopping"):
            stopping = line.state == "stopping"
            if st.button("Stop after this step", key=f"stop {line.id}", disabled=stopping):
                ask_to_stop(runs.folder_of(path, line.id))
                st.toast(f"Asked {line.id} to save and stop")
        elif line.state in ("stopped", "failed", "lost", "queued") and st.button(
            "Resume", key=f"resume {line.id}"
        ):
            launching.resume(path, line.id)
            st.toast(f"{line.id} goes on")
            st.rerun()
    except LikenessError as error:
        st.error(plain(str(error)))


def _alone(name: str) -> None:
    workspace = desk.workspace()
    if _tail(name) is None:
        st.caption("No log: this run was started from the command line, which printed it there.")
    made = workspace.checkpoints(run=name)
    if made:
        st.dataframe(
            {
                "checkpoint": [one.id for one in made],
                "step": [one.step for one in made],
                "file": [one.path for one in made],
                "learnt from people forgotten since": [len(one.forgotten) for one in made],
            },
            hide_index=True,
        )
        first = made[-1].id
        st.page_link(
            st.session_state["pages"]["clips"],
            label=f"Samples of {plain(first)}",
            query_params={"checkpoint": first},
        )
    try:
        record = runs.folder_of(workspace.path, name).record
    except (LikenessError, OSError, ValueError, KeyError, TypeError) as error:
        st.error(f"{plain(name)} can't be read: {plain(str(error))}")
        return
    with st.expander("Recipe, seeds and hashes"):
        st.code(to_toml(record.recipe), language="toml")
        st.code(
            f"commit   {record.commit}\ndata     {record.dataset_hash}\n"
            f"seeds    {', '.join(map(str, record.seeds))}\nparent   {record.parent}\n"
            f"people   {len(record.identities)}",
            language=None,
        )


def _differences(chosen: list[str]) -> None:
    path = desk.workspace().path
    rows = runs.differing_settings([runs.folder_of(path, name) for name in chosen])
    st.subheader("Where their recipes differ")
    if not rows:
        st.caption("Nowhere.")
        return
    table = {"setting": list(rows)}
    for place, name in enumerate(chosen):
        table[name] = ["–" if row[place] is None else str(row[place]) for row in rows.values()]
    st.dataframe(table, hide_index=True)


def _tail(name: str) -> str | None:
    return runs.log_tail(desk.workspace().path, name)


def _line(name: str) -> Line:
    return runs.line_of(desk.workspace().path, name, starting=launching.starting(name))


def _curves(name: str) -> dict[str, Curve]:
    return _read(str(desk.workspace().path), name, runs.state_of(desk.workspace().path, name))


@st.cache_data(max_entries=64, show_spinner=False)
def _read(folder: str, name: str, state: str) -> dict[str, Curve]:
    return runs.curves(desk.workspace().path, name)
