"""Anti-aliased implicit shapes, painted as premultiplied RGBA.

The unit of length everywhere in the testbed is 1/UNITS of the frame's side: a
pixel and a seventh at 64 x 64.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Colour = tuple[float, float, float]

UNITS = 56.0
OVERSAMPLE = 2
FACE_CENTRE = (28.0, 27.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class Grid:
    """Coordinates of a canvas' pixel centres, relative to the face centre, in units.

    x, y: (h, w). pitch: canvas pixels per unit.
    """

    x: Array
    y: Array
    pitch: float

    @classmethod
    def of_size(cls, size: int) -> "Grid":
        """Return the grid of the oversampled canvas of a size x size frame."""
        side = size * OVERSAMPLE
        axis = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(UNITS / side)
        x, y = np.meshgrid(axis - np.float32(FACE_CENTRE[0]), axis - np.float32(FACE_CENTRE[1]))
        return cls(x=x, y=y, pitch=side / UNITS)

    def crop(self, box: tuple[float, float, float, float]) -> tuple["Grid", tuple[slice, slice]]:
        """Return the part of the grid inside box (x0, y0, x1, y1 in units) and its slices."""
        side = self.x.shape[0]
        columns = [int((v + FACE_CENTRE[0]) * self.pitch) for v in (box[0], box[2])]
        rows = [int((v + FACE_CENTRE[1]) * self.pitch) for v in (box[1], box[3])]
        where = (
            slice(max(rows[0], 0), min(rows[1] + 1, side)),
            slice(max(columns[0], 0), min(columns[1] + 1, side)),
        )
        return Grid(x=self.x[where], y=self.y[where], pitch=self.pitch), where


def coverage(field: Array) -> Array:
    """Return how much of each pixel lies where field < 0, in [0, 1].

    field: (..., h, w), any smooth function; its distance to zero is taken to
    first order as field / |gradient|, which needs no exact distance function.
    """
    down, right = np.gradient(field, axis=(-2, -1))
    slope = np.sqrt(down * down + right * right) + np.float32(1e-6)
    return np.clip(np.float32(0.5) - field / slope, 0.0, 1.0)


def within(distance: Array, pitch: float) -> Array:
    """Return the coverage of a signed distance in units: negative is inside, [0, 1]."""
    return np.clip(np.float32(0.5) - distance * np.float32(pitch), 0.0, 1.0)


def ellipse(grid: Grid, centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    """Return the coverage of an axis-aligned ellipse, (h, w) in [0, 1]."""
    dx = (grid.x - np.float32(centre[0])) / np.float32(radii[0])
    dy = (grid.y - np.float32(centre[1])) / np.float32(radii[1])
    radius = np.sqrt(dx * dx + dy * dy)
    return within((radius - 1) * np.float32(min(radii)), grid.pitch)


def glow(grid: Grid, centre: tuple[float, float], radii: tuple[float, float]) -> Array:
    """Return a Gaussian bump that is 1 at the centre and 1/e at the radii, (h, w)."""
    dx = (grid.x - np.float32(centre[0])) / np.float32(radii[0])
    dy = (grid.y - np.float32(centre[1])) / np.float32(radii[1])
    return np.exp(-(dx * dx + dy * dy))


def ramp(value: Array, low: float, high: float) -> Array:
    """Return the smooth step from 0 at low to 1 at high."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def blank(grid: Grid) -> Array:
    """Return a transparent layer (h, w, 4)."""
    return np.zeros((*grid.x.shape, 4), np.float32)


def paint(layer: Array, colour: Colour | Array, alpha: Array) -> None:
    """Lay a colour over a layer in place.

    layer: (..., h, w, 4) premultiplied. colour: three numbers or (..., h, w, 3)
    in [0, 1]. alpha: (..., h, w) in [0, 1].
    """
    keep = 1 - alpha
    pigment = np.asarray(colour, np.float32)
    for index in range(3):
        channel = layer[..., index]
        channel *= keep
        channel += pigment[..., index] * alpha
    layer[..., 3] *= keep
    layer[..., 3] += alpha


def over(below: Array, above: Array) -> Array:
    """Return one premultiplied layer (..., h, w, 4) laid over another."""
    seen_through = 1 - above[..., 3]
    result = np.empty(np.broadcast_shapes(below.shape, above.shape), np.float32)
    for index in range(4):
        result[..., index] = below[..., index] * seen_through + above[..., index]
    return result


def tint(colour: Colour, by: Colour, gain: float = 1.0) -> Colour:
    """Return a colour under a coloured light."""
    red, green, blue = (min(c * b * gain, 1.0) for c, b in zip(colour, by, strict=True))
    return red, green, blue


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return a moved towards b by a share in [0, 1]."""
    red, green, blue = (p + (q - p) * share for p, q in zip(a, b, strict=True))
    return red, green, blue
