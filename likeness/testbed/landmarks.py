import numpy as np

from likeness.testbed.features import Lips
from likeness.testbed.manner import Motion
from likeness.testbed.person import Person
from likeness.testbed.pose import Warp, carry, jaw_drop
from likeness.testbed.shapes import Array, Grid
from likeness.testbed.take import LANDMARKS

_AT = {name: index for index, name in enumerate(LANDMARKS)}


def landmarks(person: Person, shape: Lips, motion: Motion, warp: Warp, grid: Grid) -> Array:
    """Return where the points named LANDMARKS are, (T, K, 2) in units from the top left."""
    rest = {**_eye_points(person, motion), **_still_points(person), **_mouth_points(person, shape)}
    frames = len(motion.x)
    points = np.stack(
        [np.broadcast_to(np.asarray(rest[name], np.float32), (frames, 2)) for name in LANDMARKS], 1
    )
    return carry(points, warp, motion, jaw_drop(shape), grid)


def five_points(points: Array) -> Array:
    """Return the five points of face alignment, (T, 5, 2), from landmarks (T, K, 2)."""

    def middle(*names: str) -> Array:
        return points[:, [_AT[name] for name in names]].mean(1)

    return np.stack(
        [
            middle("left_eye_outer", "left_eye_inner"),
            middle("right_eye_outer", "right_eye_inner"),
            middle("nose_tip"),
            middle("mouth_left"),
            middle("mouth_right"),
        ],
        1,
    )


def face_box(points: Array) -> Array:
    """Return x0 y0 x1 y1 around forehead, cheeks and chin, (T, 4), in pixels."""
    edge = points[:, [_AT[n] for n in ("cheek_left", "cheek_right", "chin", "forehead")]]
    return np.concatenate([edge.min(1), edge.max(1)], -1)


def opening(points: Array) -> Array:
    """Return the height of the gap between the lips, (T,) in pixels."""
    gap = points[:, _AT["lip_inner_bottom"]] - points[:, _AT["lip_inner_top"]]
    return np.linalg.norm(gap, axis=-1).astype(np.float32)


def _eye_points(person: Person, motion: Motion) -> dict[str, Array]:
    eyes = person.eyes
    points: dict[str, Array] = {}
    for side, name in ((-1, "left"), (1, "right")):
        middle = np.array((side * eyes.spread, eyes.y + (eyes.uneven if side > 0 else 0.0)))
        corner = np.array((side * eyes.half_width, -eyes.slant * eyes.half_width))
        inner = np.array((-side * eyes.half_width, eyes.slant * eyes.half_width))
        floor = 0.62 * eyes.height
        upper = -eyes.height * (1 - 0.55 * eyes.hood)
        lid = upper + motion.blink * (0.9 * floor - upper)
        points[f"{name}_eye_outer"] = middle + corner
        points[f"{name}_eye_inner"] = middle + inner
        points[f"{name}_eye_bottom"] = middle + np.array((0.0, floor))
        points[f"{name}_eye_top"] = middle + np.stack([np.zeros_like(lid), lid], -1)
        points[f"{name}_iris"] = middle + motion.gaze - np.array((0.0, 0.25 * eyes.height))
    return points


def _still_points(person: Person) -> dict[str, tuple[float, float]]:
    o, nose, eyes, brows = person.outline, person.nose, person.eyes, person.brows
    points = {
        "nose_bridge": (0.0, eyes.y),
        "nose_tip": (nose.bend, nose.y - 1.5),
        "nose_left": (nose.bend - nose.half_width, nose.y - 0.5),
        "nose_right": (nose.bend + nose.half_width, nose.y - 0.5),
        "cheek_left": (-o.half_width, 0.0),
        "cheek_right": (o.half_width, 0.0),
        "chin": (0.0, o.chin),
        "forehead": (0.0, -0.85 * o.top),
    }
    level = (1 - o.taper * (12 / o.chin) ** 1.5) * (1 - (12 / o.chin) ** o.square) ** (1 / o.square)
    for side, name in ((-1, "left"), (1, "right")):
        y = eyes.y - brows.gap + (brows.uneven if side > 0 else 0.0)
        points[f"jaw_{name}"] = (side * o.half_width * level, 12.0)
        for u, part in ((-1.0, "inner"), (0.0, "middle"), (1.0, "outer")):
            drop = brows.arch * (1 - (u - 0.25) ** 2) + brows.slope * brows.half_width * u
            x = side * (eyes.spread + 0.3 + u * brows.half_width)
            points[f"{name}_brow_{part}"] = (x, y - drop)
    return points


def _mouth_points(person: Person, shape: Lips) -> dict[str, Array]:
    mouth = person.mouth
    zero = np.zeros_like(shape.half)

    def across(side: int) -> Array:
        x = side * shape.half
        return np.stack([x, mouth.y + mouth.slant * x - mouth.curl], -1)

    def down(y: Array) -> Array:
        return np.stack([zero, mouth.y + y], -1)

    return {
        "mouth_left": across(-1),
        "mouth_right": across(1),
        "lip_top": down(shape.top),
        "lip_inner_top": down(shape.inner_top),
        "lip_inner_bottom": down(shape.inner_bottom),
        "lip_bottom": down(shape.bottom),
    }
