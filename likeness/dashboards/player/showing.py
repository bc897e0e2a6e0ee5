from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from streamlit.components.v2 import component

from likeness.dashboards.media.signing import address_of

MOST = 6  # a reference, a target and four samples
_SCRIPTS = ("transport.js", "curves.js", "player.js")


@dataclass(frozen=True, kw_only=True)
class Pane:
    """A clip in the player.

    Attributes:
        clip: its id.
        label: what it is, such as `Reference`.
        note: its numbers, in a line; may be empty.
        tone: which colour its curves have; None where it has none.

    """

    clip: str
    label: str
    note: str = ""
    tone: int | None = None


@dataclass(frozen=True, kw_only=True)
class Series:
    """One clip's line in a curve: a value a frame, None where there is none."""

    label: str
    values: tuple[float | None, ...]
    tone: int


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A reward by frame."""

    label: str
    series: tuple[Series, ...]


def play(
    panes: Sequence[Pane],
    *,
    fps: float,
    key: str,
    curves: Sequence[Curve] = (),
    pair: tuple[int, int] = (0, 1),
) -> None:
    """Show clips under one transport.

    Args:
        panes: left to right, at most six.
        fps: frames a second of a step.
        key: of the element.
        curves: drawn below; a click in one seeks.
        pair: which panes are A and B at first.

    """
    data: dict[str, Any] = {
        "videos": [{**asdict(pane), "url": address_of(pane.clip)} for pane in panes[:MOST]],
        "fps": fps,
        "frames": max((len(s.values) for curve in curves for s in curve.series), default=0),
        "curves": [
            asdict(curve)
            for curve in curves
            if any(value is not None for s in curve.series for value in s.values)
        ],
        "pair": list(pair),
        "sound": pair[0],
    }
    _component()(key=key, data=data)


@lru_cache(maxsize=1)
def _component() -> Any:
    parts = files("likeness.dashboards.player")
    read = {name: parts.joinpath(name).read_text("utf-8") for name in (*_SCRIPTS, "player.css")}
    return component(
        "likeness_player",
        html='<div class="holder"></div>',
        css=read["player.css"],
        js="\n".join(read[name] for name in _SCRIPTS),
    )
