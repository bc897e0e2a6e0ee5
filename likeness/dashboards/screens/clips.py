"""Clips and rewards: find a sample, watch it beside its reference, see how rewards spread."""

import streamlit as st

from likeness.dashboards import charts, desk
from likeness.dashboards.reading import samples, spread
from likeness.dashboards.reading.samples import Facets, Found, Wanted
from likeness.dashboards.screens.sample import show_sample
from likeness.dashboards.wording import number

PAGE = 50  # rows of a list
LINES = 6  # checkpoints of a distribution: more can't be told apart
ANY = "any"


def show() -> None:
    """Draw the page."""
    st.title("Clips and rewards")
    state = _state()
    choices = _facets(state)
    if not choices.checkpoints:
        st.info(
            "No samples yet. `likeness demo` fills a workspace with drawn people; `likeness pairs` "
            "scores the samples of a workspace."
        )
        return
    view = st.segmented_control(
        "View",
        ["Clips", "Distributions", "Pairs"],
        default="Clips",
        required=True,
        key="view",
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == "Distributions":
        _distributions(state, choices)
    elif view == "Pairs":
        _pairs(state, choices)
    else:
        _clips(state, choices)


def _clips(state: str, choices: Facets) -> None:
    wanted = _filters(state, choices)
    total = _count(state, wanted)
    left, right = st.columns([2, 3], gap="medium")
    with left:
        pages = max(1, -(-total // PAGE))
        head, turn = st.columns([3, 2], vertical_alignment="bottom")
        page = int(turn.number_input(f"Page of {pages}", 1, pages, key="page", bind="query-params"))
        head.markdown(f"**{total:,}** samples")
        rows = _find(state, wanted, (page - 1) * PAGE)
        if not rows:
            st.info("Nothing fits. Take a bound or a name away.")
            return
        chosen = _list(rows, wanted.reward)
    with right:
        show_sample(chosen, wanted.reward)


def _filters(state: str, choices: Facets) -> Wanted:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reward = st.selectbox("Reward", choices.rewards, key="reward", bind="query-params")
        identity = st.selectbox("Person", [ANY, *_people(state)], key="person", bind="query-params")
        checkpoint = st.selectbox(
            "Checkpoint", [ANY, *choices.checkpoints], key="checkpoint", bind="query-params"
        )
        scene = st.text_input("Scene", key="scene", bind="query-params", placeholder="any")
        low = st.number_input(
            "At least", value=None, format="%.3f", step=0.01, key="low", bind="query-params"
        )
        high = st.number_input(
            "At most", value=None, format="%.3f", step=0.01, key="high", bind="query-params"
        )
        order = st.selectbox(
            "Order", ["Highest first", "Lowest first"], key="order", bind="query-params"
        )
    return Wanted(
        reward=reward or "",
        identity="" if identity in (ANY, None) else identity,
        checkpoint="" if checkpoint in (ANY, None) else checkpoint,
        scene=(scene or "").strip(),
        low=low,
        high=high,
        descending=order == "Highest first",
    )


def _list(rows: list[Found], reward: str) -> str:
    """Show the samples; the chosen one's id is the address's, the click's, or the first."""
    asked = st.query_params.get("sample", "")
    ids = [row.id for row in rows]
    table = {
        reward or "value": [row.value for row in rows],
        "person": [row.identity or "" for row in rows],
        "scene": [row.scene or "" for row in rows],
        "checkpoint": [row.checkpoint for row in rows],
        "seed": [row.seed for row in rows],
    }
    picked = st.dataframe(
        table,
        height=560,
        hide_index=True,
        key=f"list {hash(tuple(ids))}",
        on_select="rerun",
        selection_mode="single-row",
        selection_default={"selection": {"rows": [ids.index(asked)] if asked in ids else []}},
        column_config={
            reward: st.column_config.NumberColumn(format="%.3f", width="small"),
            "seed": st.column_config.NumberColumn(format="%d", width="small"),
        },
        placeholder="–",
    )
    missing = [row for row in rows if row.reason]
    if missing:
        st.caption(f"{len(missing)} of these have no {number(None)} value: {missing[0].reason}")
    clicked = picked["selection"]["rows"]
    chosen = ids[clicked[0]] if clicked else asked or ids[0]
    if clicked and chosen != asked:
        st.query_params["sample"] = chosen
    return chosen


def _distributions(state: str, choices: Facets) -> None:
    left, right = st.columns([1, 3])
    reward = left.selectbox("Reward", choices.rewards, key="reward", bind="query-params")
    names = right.multiselect(
        "Checkpoints",
        choices.checkpoints,
        choices.checkpoints[:LINES],
        max_selections=LINES,
        key="checkpoints",
        bind="query-params",
    )
    if not reward or not names:
        st.info("Choose a reward and at least one checkpoint.")
        return
    found = _histogram(state, reward, tuple(names))
    if found.counts:
        st.plotly_chart(charts.histogram(reward, found), config=charts.CONFIG)
    else:
        st.info(f"No value of {reward} for these checkpoints. `likeness pairs` scores samples.")
    if found.missing:
        st.caption(f"{found.missing} samples have no value and are not drawn.")


def _pairs(state: str, choices: Facets) -> None:
    sources = _sources(state)
    if not sources:
        st.info("No pairs yet. `likeness pairs` finds them among a workspace's samples.")
        return
    left, right = st.columns(2)
    reward = left.selectbox("Reward", choices.rewards, key="reward", bind="query-params")
    source = right.selectbox("Judged by", sources, key="source", bind="query-params")
    dots = _dots(state, reward or "", source or "")
    if not dots:
        st.info(f"The pairs judged by this source carry no {reward}.")
        return
    right_way = sum(dot.winner > dot.loser for dot in dots) / len(dots)
    st.caption(
        f"{len(dots)} pairs, drawn evenly; in {right_way:.0%} the winner has more. A click on a "
        "dot shows the winner and what else was made for its condition."
    )
    picked = st.plotly_chart(
        charts.pairs(reward or "", dots),
        key="pairs",
        on_select="rerun",
        selection_mode="points",
        config=charts.CONFIG,
    )
    points = picked["selection"]["points"]
    if points:
        show_sample(points[0]["customdata"], reward or "")


def _state() -> str:
    with desk.workspace().reading() as connection:
        return samples.state_of(connection)


# What was read stays true as long as the state does; the leading argument is part of the key.


@st.cache_data(max_entries=8, show_spinner="Reading the workspace")
def _facets(state: str) -> Facets:
    with desk.workspace().reading() as connection:
        return samples.facets(connection)


@st.cache_data(max_entries=8, show_spinner=False)
def _people(state: str) -> tuple[str, ...]:
    with desk.workspace().reading() as connection:
        return samples.people(connection)


@st.cache_data(max_entries=64, show_spinner="Finding samples")
def _find(state: str, wanted: Wanted, offset: int) -> list[Found]:
    with desk.workspace().reading() as connection:
        return samples.find(connection, wanted, limit=PAGE, offset=offset)


@st.cache_data(max_entries=64, show_spinner=False)
def _count(state: str, wanted: Wanted) -> int:
    with desk.workspace().reading() as connection:
        return samples.count(connection, wanted)


@st.cache_data(max_entries=64, show_spinner="Counting values")
def _histogram(state: str, reward: str, checkpoints: tuple[str, ...]) -> spread.Histogram:
    with desk.workspace().reading() as connection:
        return spread.histogram(connection, reward, checkpoints)


@st.cache_data(max_entries=8, show_spinner=False)
def _sources(state: str) -> list[str]:
    with desk.workspace().reading() as connection:
        return spread.pair_sources(connection)


@st.cache_data(max_entries=16, show_spinner="Reading pairs")
def _dots(state: str, reward: str, source: str) -> list[spread.Dot]:
    with desk.workspace().reading() as connection:
        return spread.pair_dots(connection, reward, source)
