from collections.abc import Callable

import cv2
import numpy as np

from likeness.testbed.scene import WALL_COLOURS, Scene
from likeness.testbed.shapes import Array, Colour, Grid, ellipse, mix, paint, within

Painter = Callable[[Array, Grid, Colour, np.random.Generator], None]


def backdrop(scene: Scene, grid: Grid) -> Array:
    """Return what is behind the person, (h, w, 3) in [0, 1], slightly out of focus."""
    rng = np.random.default_rng([scene.seed, 0xBD])
    wall = WALL_COLOURS[scene.wall]
    layer = np.ones((*grid.x.shape, 4), np.float32)
    layer[..., :3] = wall
    PAINTERS[scene.place](layer, grid, wall, rng)
    soft = cv2.GaussianBlur(layer[..., :3], (0, 0), 0.55 * grid.pitch)
    side_x, side_y, _ = scene.light.direction
    falloff = 1 + 0.5 * scene.light.strength * (side_x * grid.x + 0.6 * side_y * grid.y) / 32
    lit = soft * (0.92 * falloff)[..., None] * np.asarray(scene.light.colour, np.float32)
    return np.clip(lit, 0.0, 1.0).astype(np.float32)


def _box(grid: Grid, box: tuple[float, float, float, float]) -> Array:
    """Return the coverage of a rectangle x0 y0 x1 y1 in units."""
    dx = np.maximum(box[0] - grid.x, grid.x - box[2])
    dy = np.maximum(box[1] - grid.y, grid.y - box[3])
    return within(np.maximum(dx, dy), grid.pitch)


def _plain(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    paint(
        layer,
        mix(wall, (1, 1, 1), 0.25),
        ellipse(grid, (rng.uniform(-24, 24), -14), (22, 24)) * 0.4,
    )


def _panel(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    height = rng.uniform(-4, 6)
    paint(layer, mix(wall, (0.95, 0.94, 0.92), 0.75), _box(grid, (-40, height, 40, 40)))
    paint(layer, mix(wall, (0, 0, 0), 0.35), _box(grid, (-40, height - 0.5, 40, height + 0.5)))
    for x in np.arange(-30 + rng.uniform(0, 8), 34, 10):
        paint(
            layer, mix(wall, (0.3, 0.3, 0.3), 0.4), _box(grid, (x, height + 2.5, x + 0.7, 40)) * 0.7
        )


def _window(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    left = rng.choice((-30.0, 6.0)) + rng.uniform(-2, 2)
    frame = mix(wall, (1, 1, 1), 0.75)
    paint(layer, frame, _box(grid, (left - 1.5, -29, left + 25.5, 6)))
    for row in range(2):
        for column in range(2):
            x, y = left + 12.5 * column, -27.5 + 16.5 * row
            pane = _box(grid, (x, y, x + 11.5, y + 15))
            sky = np.clip((grid.y + 28) / 34, 0, 1)[..., None]
            colour = (1 - sky) * np.array((0.52, 0.74, 0.97)) + sky * np.array((0.93, 0.95, 0.96))
            paint(layer, colour.astype(np.float32), pane)
    paint(layer, (0.32, 0.52, 0.30), _box(grid, (left, 0.5, left + 24, 4.5)) * 0.8)


def _shelf(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    wood = mix(wall, (0.40, 0.27, 0.17), 0.8)
    for top in (-31.0, -16.0, -1.0, 14.0):
        x = -32.0
        while x < 32:
            width, height = rng.uniform(2.0, 4.6), rng.uniform(8.5, 12.5)
            if rng.random() < 0.88:
                book = mix(tuple(rng.uniform(0.12, 0.85, 3)), (0.5, 0.4, 0.32), 0.3)
                paint(
                    layer, book, _box(grid, (x, top + 13.4 - height, x + width - 0.3, top + 13.4))
                )
            x += width
        paint(layer, wood, _box(grid, (-40, top + 13.4, 40, top + 15)))


def _plant(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    side = rng.choice((-1.0, 1.0))
    root = (side * 27.0, 16.0)
    paint(layer, (0.74, 0.42, 0.28), _box(grid, (root[0] - 5, 12, root[0] + 5, 22)))
    for angle in np.linspace(-1.25, 1.25, 11) + rng.normal(0, 0.1, 11):
        length = rng.uniform(13, 30)
        away = (np.sin(angle), -np.cos(angle))
        along = (grid.x - root[0]) * away[0] + (grid.y - 13) * away[1]
        across = (grid.x - root[0]) * away[1] - (grid.y - 13) * away[0]
        t = np.clip(along / length, 0, 1)
        width = 2.3 * np.sin(np.pi * t**0.8) + 0.25
        inside = np.maximum(np.abs(across) - width, np.maximum(-along, along - length))
        green = mix((0.16, 0.40, 0.20), (0.42, 0.64, 0.30), rng.uniform(0, 1))
        paint(layer, green, within(inside, grid.pitch))


def _lamps(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    paint(layer, mix(wall, (0, 0, 0), 0.4), np.full(grid.x.shape, 0.5, np.float32))
    for _ in range(26):
        centre = (rng.uniform(-32, 32), rng.uniform(-31, 22))
        radius = rng.uniform(1.0, 2.8)
        glow = mix((1.0, 0.78, 0.42), (1.0, 0.95, 0.85), rng.uniform(0, 1))
        paint(layer, glow, ellipse(grid, centre, (radius, radius)) * rng.uniform(0.35, 0.9))


def _curtain(layer: Array, grid: Grid, wall: Colour, rng: np.random.Generator) -> None:
    wave = np.sin(grid.x * rng.uniform(0.7, 1.1) + 0.6 * np.sin(grid.y * 0.08) + rng.uniform(0, 6))
    paint(layer, mix(wall, (0, 0, 0), 0.55), np.clip(0.5 * wave + 0.3, 0, 1) ** 1.5 * 0.75)
    paint(layer, mix(wall, (1, 1, 1), 0.4), np.clip(-wave - 0.4, 0, 1) * 0.5)


PAINTERS: dict[str, Painter] = {
    "plain": _plain,
    "panel": _panel,
    "window": _window,
    "shelf": _shelf,
    "plant": _plant,
    "lamps": _lamps,
    "curtain": _curtain,
}
