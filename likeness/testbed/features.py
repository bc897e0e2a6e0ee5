"""The parts of a face that move: eyes and mouth, painted for all frames at once."""

from dataclasses import dataclass

import numpy as np

from likeness.testbed.manner import Motion
from likeness.testbed.person import Person
from likeness.testbed.scene import Light
from likeness.testbed.shapes import Array, Grid, mix, paint, tint, within
from likeness.testbed.speech import Speech

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Lips:
    """The mouth's edges in the middle and its half-width, each (T,), in units.

    top and bottom: outer edges; inner_top and inner_bottom: the gap between the
    lips, y downwards from the mouth's line. half: outer half-width.
    """

    half: Array
    top: Array
    inner_top: Array
    inner_bottom: Array
    bottom: Array

    @property
    def gap(self) -> Array:
        """Return the height of the opening, (T,) in units."""
        return self.inner_bottom - self.inner_top


def lips(person: Person, speech: Speech) -> Lips:
    """Return the shape of a person's lips saying a speech."""
    mouth, gain = person.mouth, person.manner.mouth_gain
    spread = np.clip(speech.teeth - speech.round, 0, 1)
    gap = gain * 6.2 * speech.open + 1.1 * speech.teeth * (1 - speech.closed)
    pucker = speech.round
    half = mouth.half_width * (1 - 0.42 * pucker + 0.10 * spread - 0.05 * speech.open)
    press = 1 - 0.55 * np.clip(speech.closed, 0, 1)
    thick = press * (1 + 0.35 * pucker) * (1 - 0.12 * speech.open)
    inner_top = -0.22 * gap
    inner_bottom = 0.78 * gap
    return Lips(
        half=half,
        top=inner_top - mouth.upper * thick - 0.2,
        inner_top=inner_top,
        inner_bottom=inner_bottom,
        bottom=inner_bottom + mouth.lower * thick + 0.2,
    )


def mouth_box(person: Person) -> Box:
    """Return the box that the mouth never leaves, x0 y0 x1 y1 in units."""
    wide = person.mouth.half_width * 1.15 + 2.5
    return (-wide, person.mouth.y - 6.5, wide, person.mouth.y + 12.0)


def paint_mouth(layer: Array, person: Person, shape: Lips, speech: Speech, light: Light,
                grid: Grid) -> None:  # fmt: skip
    """Paint lips, teeth and tongue on the mouth's crop of a layer, (T, h, w, 4)."""
    mouth = person.mouth
    u = grid.x[None] / _column(shape.half)
    bend = mouth.curl * np.abs(u) ** 2 * (1 - 0.5 * _column(speech.open))
    y = grid.y[None] - mouth.y - mouth.slant * grid.x[None] + bend
    arch = np.sqrt(np.clip(1 - u * u, 0, None))
    dip = mouth.bow * np.exp(-((grid.x[None] / 1.3) ** 2)) * (1 - 0.6 * _column(speech.round))
    full = 0.55 * arch + 0.45 * arch**2
    top = _column(shape.top) * full + dip * arch
    bottom = _column(shape.bottom) * full
    body = np.maximum(top - y, y - bottom)
    ends = (np.abs(u) - 1) * _column(shape.half)
    outer = within(np.maximum(body, ends), grid.pitch)
    red = tint(mouth.colour, light.colour, 0.96)
    paint(layer, red, outer * 0.92)
    paint(layer, mix(red, (0.1, 0.02, 0.04), 0.35), outer * within(y + 0.1, grid.pitch * 0.5) * 0.6)
    shine = np.exp(
        -(((y - 0.5 * (_column(shape.inner_bottom) * full + bottom)) / 0.6) ** 2) - u * u * 3
    )
    paint(layer, mix(red, (1, 1, 1), 0.5), outer * shine * 0.35)
    v = u / 0.86
    inner_arch = np.sqrt(np.clip(1 - v * v, 0, None))
    low, high = _column(shape.inner_top) * inner_arch, _column(shape.inner_bottom) * inner_arch
    hollow = within(np.maximum(np.maximum(low - y, y - high), (np.abs(v) - 1) * 4), grid.pitch)
    line = within(np.maximum(np.abs(y - 0.0) - 0.28, np.abs(u) * 5 - 4.6), grid.pitch)
    paint(layer, (0.22, 0.06, 0.07), line * (1 - np.clip(_column(shape.gap), 0, 1)) * 0.85)
    _inside(layer, y, hollow, (low, high), speech)


def _inside(
    layer: Array, y: Array, hollow: Array, edges: tuple[Array, Array], speech: Speech
) -> None:
    """Paint the dark of the mouth, tongue and teeth inside the opening."""
    low, high = edges
    paint(layer, (0.17, 0.03, 0.05), hollow)
    opened = np.clip((_column(speech.open) - 0.35) * 2.5, 0, 1)
    tongue = np.clip((y - high + 1.9) * 1.2, 0, 1) * opened
    paint(layer, (0.72, 0.28, 0.30), hollow * tongue * 0.85)
    bared = np.clip(_column(speech.teeth) * 1.15, 0, 1)
    white = (0.95, 0.94, 0.90)
    upper = np.clip((low + 1.25 + 0.9 * bared - y) * 2.0 + 0.5, 0, 1)
    shown = np.clip(1 - 1.3 * _column(speech.round), 0, 1)
    paint(layer, white, hollow * upper * shown * np.clip(0.35 + bared, 0, 1))
    paint(layer, white, hollow * bared * shown * np.clip((y - high + 0.9) * 2.0 + 0.5, 0, 1))


def eye_box(person: Person, side: int) -> Box:
    """Return the box of one eye with its lashes; side is -1 (image left) or 1."""
    eyes = person.eyes
    middle = side * eyes.spread
    wide, high = eyes.half_width + 1.6, eyes.height + 3.0
    return (middle - wide, eyes.y - high, middle + wide, eyes.y + high)


def paint_eye(layer: Array, person: Person, side: int, motion: Motion, light: Light,
              grid: Grid) -> None:  # fmt: skip
    """Paint one eye on its crop of a layer, (T, h, w, 4)."""
    eyes = person.eyes
    x = side * (grid.x[None] - side * eyes.spread)
    y = grid.y[None] - eyes.y - (eyes.uneven if side > 0 else 0.0) + eyes.slant * x
    u = x / np.float32(eyes.half_width)
    arch = np.clip(1 - np.abs(u) ** 2.3, 0, None)
    open_top = -eyes.height * (1 - 0.55 * eyes.hood) * arch * (1 - 0.12 * u)
    floor = 0.62 * eyes.height * np.clip(1 - u * u, 0, None)
    shut = _column(np.clip(motion.blink, 0, 1))
    top = open_top + shut * (0.9 * floor - open_top)
    ends = (np.abs(u) - 1) * np.float32(eyes.half_width)
    eyeball = within(np.maximum(np.maximum(top - y, y - floor), ends), grid.pitch)
    whole = within(np.maximum(np.maximum(open_top - y, y - floor), ends), grid.pitch)
    lid = mix(person.skin, (0.25, 0.1, 0.1), 0.22)
    paint(layer, tint(lid, light.colour, 0.93), whole * np.ones_like(shut))
    white = tint((0.96, 0.955, 0.95), light.colour, 0.97)
    paint(layer, white, eyeball)
    paint(layer, (0.35, 0.28, 0.32), eyeball * np.clip(0.8 - (y - top) * 0.7, 0, 1) * 0.45)
    _iris(layer, person, eyeball, (grid.x[None] - side * eyes.spread, y), motion, grid.pitch)
    lash = np.maximum(np.abs(y - top) - (0.30 + 0.28 * eyes.lash), ends - 0.3)
    paint(layer, (0.10, 0.06, 0.06), within(lash, grid.pitch) * (0.55 + 0.4 * eyes.lash))
    crease_y = open_top - 1.0 + 0.7 * shut + 0.35 * eyes.hood
    crease = np.maximum(np.abs(y - crease_y) - 0.22, ends + 0.5)
    paint(layer, mix(person.skin, (0.15, 0.04, 0.05), 0.65), within(crease, grid.pitch) * 0.55)
    under = np.maximum(np.abs(y - floor - 0.15) - 0.18, ends)
    paint(layer, mix(person.skin, (0.2, 0.05, 0.05), 0.6), within(under, grid.pitch) * 0.5)


def _iris(layer: Array, person: Person, eyeball: Array, at: tuple[Array, Array], motion: Motion,
          pitch: float) -> None:  # fmt: skip
    """Paint iris, pupil and highlight where the gaze is."""
    eyes = person.eyes
    dx = at[0] - _column(motion.gaze[:, 0])
    dy = at[1] + 0.25 * eyes.height - _column(motion.gaze[:, 1])
    radius = np.sqrt(dx * dx + dy * dy)
    disc = eyeball * within(radius - np.float32(eyes.iris_radius), pitch)
    paint(layer, mix(eyes.iris, (0, 0, 0), 0.5), disc)
    paint(layer, eyes.iris, eyeball * within(radius - np.float32(eyes.iris_radius - 0.5), pitch))
    paint(
        layer,
        (0.04, 0.03, 0.03),
        eyeball * within(radius - np.float32(0.42 * eyes.iris_radius), pitch),
    )
    spark = np.hypot(dx + 0.75, dy + 0.75) - 0.55
    paint(layer, (1, 1, 1), eyeball * within(spark, pitch) * 0.95)


def _column(track: Array) -> Array:
    """Return a track (T,) as (T, 1, 1)."""
    return np.asarray(track, np.float32)[:, None, None]
