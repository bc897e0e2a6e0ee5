"""How a head's movement carries points between its resting canvas and the frame."""

from dataclasses import dataclass

import numpy as np

from likeness.testbed.features import Lips
from likeness.testbed.manner import Motion
from likeness.testbed.person import Person
from likeness.testbed.shapes import FACE_CENTRE, UNITS, Array, Grid, ramp

_PIVOT_Y = 18.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Warp:
    """Backward displacement of one head: where on the canvas a frame's point comes from.

    jaw, brow: (h, w) shares in [0, 1] of how the canvas follows chin and brows;
    depth: (h, w) how it follows a turn of the head.
    """

    jaw: Array
    brow: Array
    depth: Array

    @classmethod
    def of(cls, person: Person, depth: Array, grid: Grid) -> "Warp":
        """Return the warp of a person's head."""
        mouth, eyes, chin = person.mouth, person.eyes, person.outline.chin
        lower = ramp(grid.y, mouth.y - 0.5, chin + 3.0)
        fade = 1 - ramp(np.abs(grid.x), 12.0, 20.0)
        lift = np.exp(-(((grid.y - eyes.y + person.brows.gap + 0.5) / 3.0) ** 2))
        return cls(
            jaw=(lower * fade).astype(np.float32),
            brow=(lift * (1 - ramp(np.abs(grid.x), 12, 16))).astype(np.float32),
            depth=depth,
        )


def jaw_drop(shape: Lips) -> Array:
    """Return how far the chin falls, (T,) in units."""
    return 0.62 * shape.gap


def maps(warp: Warp, motion: Motion, drop: Array, grid: Grid, frame: int) -> tuple[Array, Array]:
    """Return the canvas column and row, (h, w) each, that a frame's pixels show."""
    cos, sin = np.float32(np.cos(motion.roll[frame])), np.float32(np.sin(motion.roll[frame]))
    x = grid.x - motion.x[frame]
    y = grid.y - motion.y[frame] - np.float32(_PIVOT_Y)
    rest_x, rest_y = cos * x + sin * y, cos * y - sin * x + np.float32(_PIVOT_Y)
    rest_x = rest_x - motion.turn_x[frame] * _TURN * warp.depth
    rest_y = rest_y - motion.turn_y[frame] * _TURN * warp.depth
    rest_y = rest_y - drop[frame] * warp.jaw + motion.brow[frame] * warp.brow
    pitch = np.float32(grid.pitch)
    columns = (rest_x + np.float32(FACE_CENTRE[0])) * pitch - np.float32(0.5)
    rows = (rest_y + np.float32(FACE_CENTRE[1])) * pitch - np.float32(0.5)
    return columns, rows


_TURN = np.float32(0.75)


def carry(points: Array, warp: Warp, motion: Motion, drop: Array, grid: Grid) -> Array:
    """Return where points of the resting canvas are in the frames.

    points: (T, K, 2) in units. Returns (T, K, 2) in units from the frame's
    top-left corner.
    """
    column = np.clip(((points[..., 0] + FACE_CENTRE[0]) * grid.pitch).astype(int), 0, None)
    row = np.clip(((points[..., 1] + FACE_CENTRE[1]) * grid.pitch).astype(int), 0, None)
    side = grid.x.shape[0] - 1
    at = (np.minimum(row, side), np.minimum(column, side))

    def along(track: Array) -> Array:
        return track[:, None]

    x = points[..., 0] + along(motion.turn_x) * _TURN * warp.depth[at]
    y = points[..., 1] + along(motion.turn_y) * _TURN * warp.depth[at]
    y = y + along(drop) * warp.jaw[at] - along(motion.brow) * warp.brow[at] - _PIVOT_Y
    cos, sin = along(np.cos(motion.roll)), along(np.sin(motion.roll))
    moved_x = cos * x - sin * y + along(motion.x) + FACE_CENTRE[0]
    moved_y = sin * x + cos * y + _PIVOT_Y + along(motion.y) + FACE_CENTRE[1]
    return np.clip(np.stack([moved_x, moved_y], -1), 0, UNITS).astype(np.float32)
