"""The parts of a head that do not move against each other."""

from dataclasses import dataclass

import numpy as np

from likeness.testbed.hair import front_hair
from likeness.testbed.person import Person
from likeness.testbed.scene import Light
from likeness.testbed.shapes import (
    Array,
    Colour,
    Grid,
    blank,
    coverage,
    ellipse,
    glow,
    mix,
    paint,
    ramp,
    tint,
    within,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """Layers of a head in one light.

    under: (h, w, 4) skin, ears, nose, brows, beard. over: (h, w, 4) hair and
    glasses, before eyes and mouth. depth: (h, w) in [0, 1.5], how far a point
    stands out and so shifts when the head turns.
    """

    under: Array
    over: Array
    depth: Array


def head(person: Person, light: Light, grid: Grid) -> Head:
    """Paint the head of a person."""
    edge = face_edge(person, grid)
    alpha = coverage(edge)
    dome = np.sqrt(np.clip(-edge, 0.0, 1.0))
    skin = _lit_skin(person, light, grid, dome)
    under = blank(grid)
    _ears(under, person, light, grid)
    paint(under, skin, alpha)
    _complexion(under, person, light, grid, alpha)
    _beard(under, person, light, grid, alpha)
    _nose(under, person, light, grid)
    _brows(under, person, light, grid)
    over = front_hair(person, light, grid)
    _glasses(over, person, grid)
    nose = person.nose
    depth = dome + 0.45 * glow(grid, (nose.bend, nose.y - 1), (nose.half_width, 4.0))
    return Head(under=under, over=over, depth=depth.astype(np.float32))


def face_edge(person: Person, grid: Grid) -> Array:
    """Return a field that is negative inside the face, -1 at its centre, (h, w)."""
    o = person.outline
    v = grid.y
    upper = o.half_width * (1 + o.forehead * np.clip(-v / o.top, 0, 1))
    lower = o.half_width * (1 - o.taper * np.clip(v / o.chin, 0, 1) ** 1.5)
    width = np.where(v < 0, upper, lower)
    power = np.where(v < 0, 2.2, 2.2 + (o.square - 2.2) * ramp(v, 0, 9)).astype(np.float32)
    height = np.where(v < 0, o.top, o.chin)
    field = (np.abs(grid.x) / width) ** power + (np.abs(v) / height) ** power - 1
    return field.astype(np.float32)


def _lit_skin(person: Person, light: Light, grid: Grid, dome: Array) -> Array:
    """Return Lambert-shaded skin with a little gloss, (h, w, 3)."""
    relief = 9.0 * dome**0.8 + _relief(person, grid)
    down, right = np.gradient(relief * np.float32(grid.pitch))
    normal = np.stack([-right, -down, np.ones_like(right)], -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    direction = np.asarray(light.direction, np.float32)
    facing = np.clip(normal @ (direction / np.linalg.norm(direction)), 0.0, 1.0)
    shade = 1.02 - 0.72 * light.strength * (1 - facing) - 0.10 * (1 - normal[..., 2])
    skin = np.asarray(person.skin, np.float32)
    deep = skin * np.array((0.82, 0.66, 0.62), np.float32)
    dark = np.clip((0.95 - shade) * 1.4, 0, 1)[..., None]
    colour = (skin * (1 - dark) + deep * dark) * shade[..., None]
    gloss = 0.16 * light.strength * facing**12
    lit = colour * np.asarray(light.colour, np.float32) + gloss[..., None]
    return np.clip(lit, 0, 1).astype(np.float32)


def _relief(person: Person, grid: Grid) -> Array:
    """Return the height of features above the dome, in units, (h, w)."""
    nose, eyes, mouth = person.nose, person.eyes, person.mouth
    x = grid.x - nose.bend * ramp(grid.y, eyes.y, nose.y)
    width = nose.bridge + (nose.half_width - nose.bridge) * ramp(grid.y, eyes.y, nose.y)
    rise = ramp(grid.y, eyes.y - 3, nose.y - 1) * (1 - ramp(grid.y, nose.y - 0.6, nose.y + 1.4))
    height = 3.2 * nose.relief * np.exp(-((x / width) ** 2)) * rise
    for side in (-1, 1):
        wing = (nose.bend + side * 0.75 * nose.half_width, nose.y - 0.8)
        height = height + 0.8 * nose.relief * glow(grid, wing, (1.2, 1.4))
        height = height - 1.5 * glow(grid, (side * eyes.spread, eyes.y - 0.5), (5.0, 3.2))
        height = height + 1.0 * glow(grid, (side * 9.5, 5.0), (4.5, 4.0))
    height = height + 0.9 * glow(grid, (0, person.outline.chin - 3.5), (4.5, 2.6))
    return height - 0.7 * glow(grid, (0, mouth.y + mouth.lower + 2.2), (4.0, 1.2))


def _ears(layer: Array, person: Person, light: Light, grid: Grid) -> None:
    o = person.outline
    for side in (-1, 1):
        gain = 0.84 + 0.25 * light.strength * light.direction[0] * side
        centre = (side * (o.half_width - 0.3), o.ear_y)
        skin = tint(person.skin, light.colour, gain)
        paint(layer, skin, ellipse(grid, centre, (0.62 * o.ear_size, 1.35 * o.ear_size)))
        inner = (side * (o.half_width + 0.35), o.ear_y)
        shadow = mix(skin, (0.45, 0.16, 0.12), 0.4)
        paint(layer, shadow, ellipse(grid, inner, (0.26 * o.ear_size, 0.8 * o.ear_size)) * 0.7)


def _complexion(layer: Array, person: Person, light: Light, grid: Grid, face: Array) -> None:
    marks, eyes = person.marks, person.eyes
    rosy = mix(person.skin, (0.86, 0.26, 0.24), 0.5)
    for side in (-1, 1):
        cheek = glow(grid, (side * 9.2, 5.6), (4.2, 3.2))
        paint(layer, tint(rosy, light.colour), 0.5 * marks.blush * cheek * face)
        socket = glow(grid, (side * eyes.spread, eyes.y - 1.6), (4.6, 2.2))
        paint(layer, mix(person.skin, (0.2, 0.08, 0.1), 0.6), 0.26 * socket * face)
    rng = np.random.default_rng([person.seed, 0xF3])
    brown = mix(person.skin, (0.42, 0.2, 0.1), 0.6)
    for x, y in rng.uniform((-12, -1), (12, 8), (34, 2)) if marks.freckles else ():
        paint(layer, brown, ellipse(grid, (x, y), (0.55, 0.55)) * marks.freckles * 0.8 * face)
    for x, y, radius in marks.moles:
        paint(layer, (0.2, 0.1, 0.08), ellipse(grid, (x, y), (radius, radius)) * 0.9 * face)
    if marks.lines:
        _lines(layer, person, grid, face)


def _lines(layer: Array, person: Person, grid: Grid, face: Array) -> None:
    """Draw folds from nose to mouth and lines on the forehead."""
    fold = mix(person.skin, (0.25, 0.1, 0.08), 0.6)
    nose, mouth = person.nose, person.mouth
    t = np.clip((grid.y - nose.y) / (mouth.y + 1 - nose.y), 0, 1)
    reach = nose.half_width + 0.8 + t * (mouth.half_width + 1.4 - nose.half_width)
    span = ramp(grid.y, nose.y - 1, nose.y + 1) * (1 - ramp(grid.y, mouth.y, mouth.y + 2))
    crease = within(np.abs(np.abs(grid.x) - reach) - 0.35, grid.pitch) * span
    paint(layer, fold, 0.6 * person.marks.lines * crease * face)
    for y in (-11.2, -13.2):
        bent = np.abs(grid.y - y - 0.004 * grid.x**2) - 0.22
        line = within(np.maximum(bent, np.abs(grid.x) - 8), grid.pitch)
        paint(layer, fold, 0.5 * person.marks.lines * line * face)


def _beard(layer: Array, person: Person, light: Light, grid: Grid, face: Array) -> None:
    kind, mouth, o = person.marks.beard, person.mouth, person.outline
    if not kind:
        return
    colour = tint(person.marks.beard_colour, light.colour, 0.95)
    around = mouth.half_width
    lip = np.abs(grid.y - (mouth.y - mouth.upper - 1.3) - 0.03 * grid.x**2) - 1.25
    moustache = within(np.maximum(lip, np.abs(grid.x) - around - 0.8), grid.pitch)
    cheek_line = 3.0 + 9.0 * (1 - np.clip(np.abs(grid.x) / o.half_width, 0, 1) ** 1.2)
    jaw = np.clip((grid.y - np.maximum(cheek_line, 0)) * grid.pitch * 0.3 + 0.5, 0, 1)
    chin = ellipse(grid, (0, o.chin - 1.5), (around * 0.85, 5.0))
    grain = 0.9 + 0.1 * np.sin(grid.x * 4.1) * np.sin(grid.y * 3.3)
    shapes: dict[str, tuple[Array, float]] = {
        "stubble": (np.maximum(jaw, moustache), 0.36),
        "moustache": (moustache, 0.92),
        "goatee": (np.maximum(chin, moustache), 0.9),
        "full": (np.maximum(jaw, moustache), 0.92),
    }
    shape, strength = shapes[kind]
    paint(layer, colour, (shape * strength * grain * face).astype(np.float32))


def _nose(layer: Array, person: Person, light: Light, grid: Grid) -> None:
    nose = person.nose
    shadow = mix(person.skin, (0.22, 0.07, 0.06), 0.62)
    below = glow(grid, (nose.bend, nose.y + 0.9), (nose.half_width * 1.1, 0.8))
    paint(layer, shadow, 0.45 * below)
    for side in (-1, 1):
        hole = (nose.bend + side * 0.48 * nose.half_width, nose.y + 0.1)
        paint(layer, mix(person.skin, (0.12, 0.03, 0.03), 0.8),
              ellipse(grid, hole, (0.30 * nose.half_width, 0.55)) * 0.85)  # fmt: skip
    dark_side = -1 if light.direction[0] > 0.1 else 1
    edge = np.abs(grid.x - nose.bend - dark_side * nose.bridge * 1.1) - 0.4
    span = ramp(grid.y, person.eyes.y - 1, nose.y - 3) * (1 - ramp(grid.y, nose.y - 2, nose.y))
    paint(layer, shadow, 0.30 * nose.relief * within(edge, grid.pitch * 0.6) * span)
    tip = glow(grid, (nose.bend - 0.5 * dark_side, nose.y - 2.0), (1.1, 1.1))
    paint(layer, mix(person.skin, (1, 1, 1), 0.6), 0.35 * tip)


def _brows(layer: Array, person: Person, light: Light, grid: Grid) -> None:
    brows, eyes = person.brows, person.eyes
    colour: Colour = tint(brows.colour, light.colour, 0.95)
    for side in (-1, 1):
        u = (side * grid.x - eyes.spread - 0.3) / brows.half_width
        y = eyes.y - brows.gap + (brows.uneven if side > 0 else 0.0)
        line = y - brows.arch * (1 - (u - 0.25) ** 2) - brows.slope * brows.half_width * u
        taper = brows.thickness * (0.62 - 0.38 * np.clip(u, -1, 1.0))
        inside = np.maximum(np.abs(grid.y - line) - taper, (np.abs(u) - 1) * brows.half_width)
        paint(layer, colour, brows.strength * within(inside.astype(np.float32), grid.pitch))


def _glasses(layer: Array, person: Person, grid: Grid) -> None:
    marks, eyes = person.marks, person.eyes
    if not marks.glasses:
        return
    power = 2.0 if marks.glasses == "round" else 4.0
    wide, high = min(5.8, eyes.spread - 0.9), 4.7 if marks.glasses == "round" else 4.0
    for side in (-1, 1):
        dx = np.abs(grid.x - side * eyes.spread) / wide
        dy = np.abs(grid.y - eyes.y - 0.3) / high
        radius = (dx**power + dy**power) ** (1 / power)
        rim = np.abs(radius - 1) * min(wide, high) - 0.42
        paint(
            layer, (0.9, 0.95, 1.0), 0.10 * within((radius - 1).astype(np.float32) * 4, grid.pitch)
        )
        paint(layer, marks.glasses_colour, within(rim.astype(np.float32), grid.pitch))
        arm_end = person.outline.half_width
        length = np.maximum(eyes.spread + wide - side * grid.x, side * grid.x - arm_end)
        arm = np.maximum(np.abs(grid.y - eyes.y + 0.5) - 0.4, length)
        paint(layer, marks.glasses_colour, within(arm, grid.pitch))
    bridge = np.maximum(np.abs(grid.y - eyes.y + 0.3) - 0.4, np.abs(grid.x) - (eyes.spread - wide))
    paint(layer, marks.glasses_colour, within(bridge, grid.pitch))
