"""Clips side by side, playing together."""

from base64 import b64encode
from dataclasses import dataclass, replace
from html import escape

import cv2
import numpy as np

from likeness.benchmark.report.svg import element
from likeness.store.clip import Clip
from likeness.store.media import encode_bytes

WIDTH = 320


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """A clip of a row.

    Attributes:
        label: what it is, such as `Aligned`.
        clip: its pictures and sound.
        note: its numbers, such as `identity 0.71`; may be empty.

    """

    label: str
    clip: Clip
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Showcase:
    """Clips of one case, side by side.

    Attributes:
        title: who and where.
        caption: how the case was chosen, its prompt and seed; may be empty.
        clips: left to right.
        sound: index of the clip that is heard at first.

    Raises:
        ValueError: no clip, or `sound` names none.

    """

    title: str
    clips: tuple[Shown, ...]
    caption: str = ""
    sound: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.sound < len(self.clips):
            raise ValueError(f"sound is clip {self.sound} of {len(self.clips)} in {self.title!r}")


def enlarge(clip: Clip, width: int = WIDTH) -> Clip:
    """Enlarge a small clip by a whole factor to about `width` pixels, Lanczos; never shrink."""
    factor = max(1, round(width / clip.size[0]))
    if factor == 1:
        return clip
    size = (clip.size[0] * factor, clip.size[1] * factor)
    frames = [cv2.resize(frame, size, interpolation=cv2.INTER_LANCZOS4) for frame in clip.frames]
    return replace(clip, frames=np.stack(frames))


def draw(showcase: Showcase, number: int) -> str:
    """Write a row of players with one control; `number` tells the rows of a page apart."""
    figures = "".join(
        _figure(shown, f"row{number}", index == showcase.sound)
        for index, shown in enumerate(showcase.clips)
    )
    head = element("h3", escape(showcase.title))
    if showcase.caption:
        head += element("p", escape(showcase.caption), class_="caption")
    name = escape(showcase.title)
    frames = max(len(shown.clip) for shown in showcase.clips)
    controls = (
        element("button", "Play", type="button", class_="play", aria_label=f"Play {name}")
        + f'<input type="range" class="seek" min="0" max="1" step="{1 / frames:.5f}" value="0" '
        f'aria-label="Position in {name}">'
        + element("output", "0.00 s", class_="time")
        + element(
            "label",
            "Speed "
            + element(
                "select",
                element("option", "1×", value="1")
                + element("option", "½×", value="0.5")
                + element("option", "¼×", value="0.25"),
                class_="speed",
            ),
        )
    )
    body = element("div", figures, class_="clips") + element("div", controls, class_="controls")
    return element("article", head + body, class_="show")


def _figure(shown: Shown, row: str, sound: bool) -> str:
    data = b64encode(encode_bytes(enlarge(shown.clip))).decode()
    video = (
        f'<video playsinline preload="auto" controls src="data:video/mp4;base64,{data}" '
        f'aria-label="{escape(shown.label)}"></video>'
    )
    radio = f'<input type="radio" name="{row}"{" checked" if sound else ""}>'
    heard = element("label", f"{radio}{element('span', 'sound')}", class_="sound")
    caption = element("strong", escape(shown.label)) + heard
    if shown.note:
        caption += element("span", escape(shown.note), class_="note")
    return element("figure", video + element("figcaption", caption))
