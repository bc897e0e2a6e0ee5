"""Hair: one layer behind the head, one before it."""

import numpy as np

from likeness.testbed.person import Person
from likeness.testbed.scene import Light
from likeness.testbed.shapes import Array, Grid, blank, coverage, ellipse, mix, paint, ramp, within

_LONG = ("bob", "long")


def back_hair(person: Person, light: Light, grid: Grid) -> Array:
    """Return the hair that hangs behind the head, (h, w, 4) premultiplied."""
    layer = blank(grid)
    hair, outline = person.hair, person.outline
    wide = min(outline.half_width + 1.2 + hair.volume, 20.5)
    colour = _strands(person, light, grid) * np.float32(0.72)
    if hair.style in _LONG:
        bottom = 12.0 if hair.style == "bob" else 27.0
        power = 3.6 if hair.style == "bob" else 3.0
        upper = (np.abs(grid.x) / wide) ** 2.4 + (np.abs(grid.y + 4) / (outline.top - 2)) ** 2.4
        lower = (np.abs(grid.x) / wide) ** power + (np.abs(grid.y + 4) / (bottom + 4)) ** power
        paint(layer, colour, coverage(np.where(grid.y < -4, upper, lower).astype(np.float32) - 1))
    if hair.style == "curly":
        paint(layer, colour, _curls(person, grid, wide))
    if hair.style == "bun":
        paint(layer, colour, ellipse(grid, (0, -outline.top - 2.5), (5.5, 5.0)))
    return layer


def front_hair(person: Person, light: Light, grid: Grid) -> Array:
    """Return the hair on the skull and forehead, (h, w, 4) premultiplied."""
    layer = blank(grid)
    hair = person.hair
    if hair.style == "bald":
        return layer
    thick = {"buzz": 0.3, "receding": 0.5}.get(hair.style, min(0.5 + 0.55 * hair.volume, 2.4))
    alpha = _skull(person, grid, thick) * within(_below_hairline(person, grid), grid.pitch)
    if hair.style == "buzz":
        alpha = alpha * np.float32(0.8)
    colour = _strands(person, light, grid)
    paint(layer, colour, alpha)
    if hair.style == "spiky":
        paint(layer, colour, _spikes(person, grid) * (grid.y < hair.hairline + 1))
    return layer


def _skull(person: Person, grid: Grid, thick: float) -> Array:
    outline = person.outline
    wide = min(outline.half_width * (1 + 0.5 * max(outline.forehead, -0.08)) + thick, 20.0)
    high = outline.top + thick
    field = (np.abs(grid.x) / wide) ** 2.3 + (np.abs(grid.y) / high) ** 2.3 - 1
    return coverage(field.astype(np.float32))


def _below_hairline(person: Person, grid: Grid) -> Array:
    """Return how far below the hairline a point is, in units: hair is negative."""
    hair, half = person.hair, person.outline.half_width
    u = grid.x / half
    side = np.abs(u)
    line = hair.hairline
    temple = 14 * ramp(side, 0.80, 1.0)
    curves = {
        "buzz": line + 1.5 * side**2 + temple * 0.75,
        "short": line + 1.0 * side**2 + temple * 0.8,
        "parted": line + 1.0 + 4.2 * np.clip(hair.side * u + 0.35, 0, 2) ** 1.2 + temple * 0.7
        - 3.5 * np.exp(-(((hair.side * u + 0.45) / 0.16) ** 2)),
        "fringe": np.full_like(u, -9.2) + 0.7 * np.sin(grid.x * 1.7 + person.seed) + 1.6 * temple,
        "bob": line + 0.5 + 2.6 * side**2 + 1.9 * temple,
        "long": line - 2.0 + 7.5 * side**1.6 + 2.4 * temple,
        "curly": line + 0.8 * np.sin(grid.x * 1.5 + person.seed) + 1.1 * temple,
        "bun": line - 0.5 + 3.2 * side**2 + temple * 0.6,
        "receding": line - 3.5 - 1.5 * np.cos(side * 5.5) + 4 * side**4 + temple * 0.8,
        "spiky": line + 1.1 * np.abs(((grid.x / 2.6) % 2) - 1) * 1.6 + temple * 0.7,
    }  # fmt: skip
    return (grid.y - curves[hair.style]).astype(np.float32)


def _curls(person: Person, grid: Grid, wide: float) -> Array:
    angle = np.arctan2(grid.y + 5, grid.x)
    bumps = 1 + 0.035 * np.sin(angle * 17 + person.seed)
    field = np.hypot(grid.x / wide, (grid.y + 5) / (person.outline.top - 2 + 1.2)) - bumps
    return coverage(field.astype(np.float32)) * (1 - ramp(grid.y, 7, 9))


def _spikes(person: Person, grid: Grid) -> Array:
    teeth = 2.6 * np.abs(((grid.x / 3.4 + 0.5) % 2) - 1)
    top = person.outline.top + 0.8 + teeth
    field = (np.abs(grid.x) / (person.outline.half_width + 1)) ** 2.2 + (
        np.abs(grid.y) / top
    ) ** 2.2
    return coverage(field.astype(np.float32) - 1)


def _strands(person: Person, light: Light, grid: Grid) -> Array:
    """Return the hair's colour with sheen and strands, (h, w, 3)."""
    rng = np.random.default_rng([person.seed, 0x4A])
    swirl = grid.x * (1 + 0.02 * grid.y) + person.hair.side * 0.15 * grid.y
    phases = rng.uniform(0, 6.3, 3)
    texture = sum(
        0.035 * np.sin(swirl * rate + phase)
        for rate, phase in zip((1.3, 2.9, 4.7), phases, strict=True)
    )
    if person.hair.style == "curly":
        texture = texture + 0.08 * np.sin(grid.x * 2.1 + 1.3 * np.sin(grid.y * 1.9))
    lx, ly, _ = light.direction
    sheen = np.exp(-(((grid.y + 16 - 4 * ly + 0.006 * grid.x**2) / 3.2) ** 2))
    lit = 0.86 + texture + 0.3 * light.strength * (lx * grid.x - ly * 6) / 20
    base = np.asarray(person.hair.colour, np.float32)
    bright = np.asarray(mix(person.hair.colour, (1, 1, 1), 0.45), np.float32)
    share = (0.22 * sheen * (0.4 + light.strength))[..., None]
    colour = (base * (1 - share) + bright * share) * lit[..., None]
    return np.clip(colour * np.asarray(light.colour, np.float32), 0, 1).astype(np.float32)
