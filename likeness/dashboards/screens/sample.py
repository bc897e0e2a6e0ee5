"""A sample under the player: beside its reference, the true clip and its siblings."""

import streamlit as st

from likeness.dashboards import desk
from likeness.dashboards.player import Curve, Pane, Series, play
from likeness.dashboards.reading import samples
from likeness.dashboards.reading.behind import Curves, curves_of
from likeness.dashboards.reading.samples import Found, Made
from likeness.dashboards.wording import number, plain
from likeness.store.errors import LikenessError

FIRST = ("identity_ref", "identity_target", "sync_confidence", "mouth")
"""Curves that are shown where nothing else was chosen."""


def show_sample(sample: str, reward: str) -> None:
    """Draw the player for a sample, its curves and its scores."""
    workspace = desk.workspace()
    with workspace.reading() as connection:
        try:
            made = samples.made_with(connection, sample)
        except LikenessError as error:
            st.warning(str(error))
            return
        scores = {
            one.id: samples.scores_of(connection, one.clip, made.condition) for one in made.samples
        }
    st.markdown(f"**{plain(made.identity) or 'Unknown person'}** · {plain(made.prompt)}")
    found = {one.id: _curves(one, made.condition, compute=False) for one in made.samples}
    if any(curves is None for curves in found.values()) and st.button(
        "Look at every frame", help="Scores each frame of these samples; kept in the workspace."
    ):
        with st.spinner("Scoring frame by frame"):
            found = {one.id: _curves(one, made.condition, compute=True) for one in made.samples}
        st.rerun()
    names = list(dict.fromkeys(n for c in found.values() for n in c or ()))
    shown = names
    if names:
        shown = st.pills(
            "Frame by frame",
            names,
            selection_mode="multi",
            default=[name for name in FIRST if name in names],
            key="curves",
        )
    play(
        _panes(made, scores, reward),
        fps=made.fps,
        key=f"player {sample}",
        curves=[_drawn(name, made, found) for name in shown],
        pair=_pair(made),
    )
    if made.others:
        st.caption(f"{made.others} more samples were made for this condition.")
    _table(made, scores)


def _curves(one: Found, condition: str, *, compute: bool) -> Curves | None:
    try:
        return curves_of(desk.workspace(), one.clip, condition, compute=compute)
    except LikenessError as error:
        st.warning(f"No curves of seed {one.seed}: {error}")
        return None


def _panes(made: Made, scores: dict[str, dict], reward: str) -> list[Pane]:
    panes = [Pane(clip=made.reference, label="Reference")]
    if made.target:
        panes.append(Pane(clip=made.target, label="True clip"))
    for tone, one in enumerate(made.samples):
        value, _ = scores[one.id].get(reward, (None, None))
        note = f"seed {one.seed}, {one.checkpoint}"
        panes.append(
            Pane(
                clip=one.clip,
                label=_name(tone),
                note=f"{reward} {number(value)} · {note}" if reward else note,
                tone=tone,
            )
        )
    return panes


def _pair(made: Made) -> tuple[int, int]:
    first = 2 if made.target else 1
    return (first, first + 1) if len(made.samples) > 1 else (first, first - 1)


def _name(place: int) -> str:
    return f"Sample {place + 1}"


def _drawn(name: str, made: Made, found: dict[str, Curves | None]) -> Curve:
    series = []
    for tone, one in enumerate(made.samples):
        values = (found[one.id] or {}).get(name)
        if values:
            series.append(Series(label=_name(tone), values=values, tone=tone))
    return Curve(label=name.replace("_", " "), series=tuple(series))


def _table(made: Made, scores: dict[str, dict]) -> None:
    rewards = sorted({name for found in scores.values() for name in found})
    if not rewards:
        st.info("Not scored yet. `likeness pairs` scores the samples of a workspace.")
        return
    table: dict[str, list] = {"reward": rewards}
    for place, one in enumerate(made.samples):
        table[_name(place)] = [scores[one.id].get(name, (None, None))[0] for name in rewards]
    columns = {
        _name(place): st.column_config.NumberColumn(format="%.3f")
        for place in range(len(made.samples))
    }
    st.dataframe(table, hide_index=True, column_config=columns, placeholder="–")
    for place, one in enumerate(made.samples):
        for name, (_, reason) in scores[one.id].items():
            if reason:
                st.caption(f"{_name(place)} has no {plain(name)}: {plain(reason)}")
