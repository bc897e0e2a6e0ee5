import numpy as np

from likeness.testbed.person import Person
from likeness.testbed.scene import CLOTH_COLOURS, Scene
from likeness.testbed.shapes import Array, Grid, blank, mix, paint, ramp, tint, within


def body(person: Person, scene: Scene, grid: Grid) -> Array:
    """Return neck, shoulders and clothes, (h, w, 4) premultiplied."""
    layer = blank(grid)
    light = scene.light
    side = 1 + 0.4 * light.strength * light.direction[0] * grid.x / 26
    neck = person.outline.half_width * person.neck
    _neck(layer, grid, person, scene, neck)
    top = 23.2 + person.shoulders + 7.5 * (np.abs(grid.x) / 30) ** 2.2
    cloth = within(top - grid.y, grid.pitch)
    shade = (0.94 * side * (1 - 0.018 * np.clip(grid.y - 24, 0, 12)))[..., None]
    base = np.asarray(tint(CLOTH_COLOURS[scene.cloth], light.colour), np.float32)
    colour = np.clip(base * shade, 0, 1).astype(np.float32)
    _GARMENTS[scene.garment](layer, grid, colour, cloth, neck)
    return layer


def _neck(layer: Array, grid: Grid, person: Person, scene: Scene, half: float) -> None:
    light = scene.light
    flare = half + 0.35 * np.clip(grid.y - 19, 0, 9) ** 1.5 * 0.35
    alpha = within(np.maximum(np.abs(grid.x) - flare, 6 - grid.y), grid.pitch)
    turned = 1 + 0.35 * light.strength * light.direction[0] * grid.x / half
    shadow = 0.62 + 0.30 * ramp(grid.y, person.outline.chin - 0.5, person.outline.chin + 8)
    skin = np.asarray(tint(person.skin, light.colour), np.float32)
    paint(layer, np.clip(skin * (turned * shadow)[..., None], 0, 1).astype(np.float32), alpha)


def _opening(grid: Grid, half: float, depth: float, power: float) -> Array:
    """Return the signed distance (inside negative) of a neckline to its opening, about."""
    edge = 23.0 + depth * (1 - np.clip(np.abs(grid.x) / half, 0, 1.6) ** power)
    return (grid.y - edge).astype(np.float32)


def _tshirt(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    hole = _opening(grid, neck + 2.4, 5.0, 2.2)
    paint(layer, colour, cloth * within(-hole, grid.pitch))
    paint(layer, colour * 0.75, cloth * within(np.abs(hole - 0.5) - 0.5, grid.pitch))


def _striped(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    stripes = np.clip(np.sin(grid.y * 2 * np.pi / 3.4) * 2.2 + 0.5, 0, 1)[..., None]
    pale = 0.85 if colour.mean() < 0.6 else 0.2
    _tshirt(layer, grid, (colour * (1 - stripes) + pale * stripes).astype(np.float32), cloth, neck)


def _sweater(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    paint(layer, colour, cloth)
    ribs = (0.92 + 0.1 * np.sin(grid.x * 2.6))[..., None]
    ring = within(np.maximum(np.abs(grid.x) - neck - 1.0, 20.8 - grid.y), grid.pitch)
    paint(layer, (colour * ribs).astype(np.float32), ring)
    seam = within(np.maximum(np.abs(grid.y - 26.4) - 0.3, np.abs(grid.x) - neck - 1), grid.pitch)
    paint(layer, colour * 0.6, seam * 0.8)


def _hoodie(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    hood = within(
        np.maximum(np.abs(grid.x) - neck - 5.5 - 0.3 * (grid.y - 19), 19 - grid.y), grid.pitch
    )
    hole = _opening(grid, neck + 1.5, 6.5, 2.0)
    shown = within(-hole, grid.pitch)
    paint(layer, colour, cloth * shown)
    paint(layer, colour * 0.8, hood * shown * (1 - within(np.abs(grid.x) - neck, grid.pitch)))
    paint(layer, colour * 0.6, within(np.abs(hole - 0.6) - 0.6, grid.pitch) * (cloth + hood > 0))
    for x in (-2.4, 2.4):
        cord = within(np.maximum(np.abs(grid.x - x) - 0.4, 28 - grid.y), grid.pitch)
        paint(layer, (0.95, 0.95, 0.93), cord * 0.9)


def _shirt(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    hole = _opening(grid, neck + 1.5, 7.5, 1.1)
    paint(layer, colour, cloth * within(-hole, grid.pitch))
    paint(layer, colour * 0.7, within(np.abs(grid.x) - 0.3, grid.pitch) * (grid.y > 30))
    _collar(layer, grid, (np.minimum(colour * 1.12 + 0.04, 1)).astype(np.float32), neck)


def _collar(layer: Array, grid: Grid, colour: Array, neck: float) -> None:
    across = np.abs(grid.x)
    inner = 0.35 - across + (neck + 1.2) * np.clip((30.6 - grid.y) / 10.0, 0, 1)
    outer = across - (neck + 2.8) + 0.32 * (grid.y - 21)
    flap = np.maximum(np.maximum(inner, outer), np.maximum(20.6 - grid.y, grid.y - 29.8))
    paint(layer, colour * 0.55, within(flap - 0.55, grid.pitch) * 0.8)
    paint(layer, colour, within(flap, grid.pitch))


def _jacket(layer: Array, grid: Grid, colour: Array, cloth: Array, neck: float) -> None:
    white = np.full_like(colour, 0.92)
    _shirt(layer, grid, white, cloth, neck)
    across = np.abs(grid.x)
    front = (neck + 3.2) * np.clip((36 - grid.y) / 13, 0, 1) - across
    paint(layer, colour, cloth * within(front, grid.pitch))
    paint(layer, colour * 0.62, cloth * within(np.abs(front + 2.6) - 0.4, grid.pitch) * 0.9)
    tie = within(np.maximum(across - 0.9 - 0.08 * (grid.y - 28), 29 - grid.y), grid.pitch)
    paint(layer, mix((0.2, 0.2, 0.3), (0.5, 0.1, 0.15), 0.5), tie)


_GARMENTS = {
    "shirt": _shirt,
    "tshirt": _tshirt,
    "hoodie": _hoodie,
    "jacket": _jacket,
    "sweater": _sweater,
    "striped": _striped,
}
