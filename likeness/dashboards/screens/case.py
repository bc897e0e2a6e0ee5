"""A case of a board under the player: what two systems made of it."""

import streamlit as st

from likeness.benchmark.metrics import Metric
from likeness.dashboards import desk
from likeness.dashboards.player import Pane, play
from likeness.dashboards.reading import boards
from likeness.dashboards.reading.boards import Differing
from likeness.dashboards.wording import number, plain
from likeness.store.errors import LikenessError

FPS = 25.0  # of a step; what boards hold is judged at this rate


def show_case(board: str, row: Differing, metric: Metric, a: str, b: str) -> None:
    """Draw the player for a case: the reference, both systems, and the true clip."""
    try:
        case = boards.case_of(boards.place_of(desk.workspace().path, board), row.case)
    except LikenessError as error:
        st.warning(plain(str(error)))
        case = None
    if not row.clip_a or not row.clip_b:
        st.info("The rows of this board don't say which clips are behind them.")
        return
    told = f"**{plain(row.identity)}**"
    st.markdown(f"{told} · {plain(case.prompt)}" if case else told)
    sides = [
        Pane(
            clip=row.clip_a, label=a, note=f"{metric.label} {number(row.a, metric.digits)}", tone=0
        ),
        Pane(
            clip=row.clip_b, label=b, note=f"{metric.label} {number(row.b, metric.digits)}", tone=1
        ),
    ]
    if case is None:
        play(sides, fps=FPS, key=f"case {board} {row.case} {a} {b}", pair=(0, 1))
        return
    panes = [
        Pane(clip=case.reference, label="Reference"),
        *sides,
        Pane(clip=case.target, label="True clip"),
    ]
    play(panes, fps=FPS, key=f"case {board} {row.case} {a} {b}", pair=(1, 2))
