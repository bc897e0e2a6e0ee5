"""A talking head as layers: backdrop, back hair, body, head.

Still layers are painted once a take on a canvas of twice the resolution; eyes
and mouth are painted for all frames at once; each frame then warps the head
(shift, turn by depth, roll, jaw, brows) and lays the layers over each other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TypeVar

import cv2
import numpy as np

from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.hiding import hidden_region
from likeness.testbed.background import backdrop
from likeness.testbed.body import body
from likeness.testbed.features import (
    Box,
    Lips,
    eye_box,
    lips,
    mouth_box,
    paint_eye,
    paint_mouth,
)
from likeness.testbed.hair import back_hair
from likeness.testbed.head import Head, head
from likeness.testbed.landmarks import face_box, five_points, landmarks, opening
from likeness.testbed.manner import Motion, move
from likeness.testbed.person import Person
from likeness.testbed.pose import Warp, jaw_drop, maps
from likeness.testbed.scene import Scene
from likeness.testbed.shapes import OVERSAMPLE, UNITS, Array, Grid, over
from likeness.testbed.speech import FPS, SAMPLE_RATE, Speech
from likeness.testbed.take import Take, Truth

_CHUNK = 32
_SMALLEST = 16
_BODY_FOLLOWS_X = 0.3
_BODY_FOLLOWS_Y = 0.12
_Tracks = TypeVar("_Tracks", Speech, Lips, Motion)


class RenderError(LikenessError):
    """Frames that can't be rendered."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stage:
    """The still layers of a take."""

    grid: Grid
    backdrop: Array
    back: Array
    body: Array
    head: Head
    warp: Warp


@dataclass(frozen=True, kw_only=True, eq=False)
class _Performance:
    """What moves in a take: words, lips and head."""

    speech: Speech
    lips: Lips
    motion: Motion

    def cut(self, part: slice) -> "_Performance":
        """Return some of the frames; the sound stays whole."""
        return _Performance(
            speech=_cut(self.speech, part),
            lips=_cut(self.lips, part),
            motion=_cut(self.motion, part),
        )


def render(
    person: Person, scene: Scene, speech: Speech, *, size: int = 64, rng: np.random.Generator
) -> Take:
    """Film a person saying a speech in a scene.

    size: side of the square frames, at least 16 pixels. rng: draws the motion, not the
    words. Returns a take with as many frames as the speech has, at 25 fps.
    Raises RenderError where the size is too small.
    """
    if size < _SMALLEST:
        raise RenderError(f"testbed: frames are at least {_SMALLEST} pixels wide, got {size}")
    stage = _stage(person, scene, Grid.of_size(size))
    acted = _Performance(
        speech=speech, lips=lips(person, speech), motion=move(person.manner, speech, rng)
    )
    drop = jaw_drop(acted.lips)
    frames = np.empty((len(drop), size, size, 3), np.uint8)
    mask = np.empty((len(drop), size, size), bool)
    for frame, face in enumerate(_faces(person, scene, acted, stage)):
        frames[frame], mask[frame] = _compose(stage, face, acted.motion, drop, frame)
    clip = Clip(
        frames=frames,
        fps=float(FPS),
        audio=speech.audio,
        sample_rate=SAMPLE_RATE,
        identity=person.identity,
        scene=scene.name,
        origin="testbed",
    )
    return Take(
        clip=clip,
        truth=_truth(person, acted, stage, mask),
        background=_shrink(stage.backdrop),
        hidden=hidden_region(size),
        caption=scene.caption(),
    )


def _stage(person: Person, scene: Scene, grid: Grid) -> _Stage:
    painted = head(person, scene.light, grid)
    return _Stage(
        grid=grid,
        backdrop=backdrop(scene, grid),
        back=back_hair(person, scene.light, grid),
        body=body(person, scene, grid),
        head=painted,
        warp=Warp.of(person, painted.depth, grid),
    )


def _truth(person: Person, acted: _Performance, stage: _Stage, mask: np.ndarray) -> Truth:
    size = mask.shape[1]
    points = landmarks(person, acted.lips, acted.motion, stage.warp, stage.grid)
    pixels = points * np.float32(size / UNITS) - np.float32(0.5)
    return Truth(
        landmarks=pixels,
        five=five_points(pixels),
        face_box=face_box(pixels),
        mask=mask,
        mouth_open=opening(pixels),
        eye_open=(1 - acted.motion.blink).astype(np.float32),
        identity=person.identity,
        manner=person.manner,
    )


def _faces(person: Person, scene: Scene, acted: _Performance, stage: _Stage) -> Iterator[Array]:
    """Yield the head layer of each frame at rest, (h, w, 4), valid until the next."""
    count = len(acted.speech.open)
    face = over(stage.head.under, stage.head.over)
    for start in range(0, count, _CHUNK):
        patches = _patches(person, scene, acted.cut(slice(start, start + _CHUNK)), stage)
        for frame in range(min(_CHUNK, count - start)):
            for where, patch in patches:
                face[where] = patch[frame]
            yield face


def _patches(
    person: Person, scene: Scene, acted: _Performance, stage: _Stage
) -> list[tuple[tuple[slice, slice], Array]]:
    """Return where eyes and mouth are on the canvas and their pixels, (T, h, w, 4) each."""
    patches = []

    def add(box: Box, painter: Callable[[Array, Grid], None]) -> None:
        grid, where = stage.grid.crop(box)
        layer = np.repeat(stage.head.under[where][None], len(acted.speech.open), 0)
        painter(layer, grid)
        patches.append((where, over(layer, stage.head.over[where])))

    def mouth(layer: Array, grid: Grid) -> None:
        paint_mouth(layer, person, acted.lips, acted.speech, scene.light, grid)

    def eye(side: int, layer: Array, grid: Grid) -> None:
        paint_eye(layer, person, side, acted.motion, scene.light, grid)

    for side in (-1, 1):
        add(eye_box(person, side), partial(eye, side))
    add(mouth_box(person), mouth)
    return patches


def _cut(tracks: _Tracks, part: slice) -> _Tracks:
    values = {field.name: getattr(tracks, field.name) for field in fields(tracks)}
    return replace(tracks, **{n: track[part] for n, track in values.items() if n != "audio"})


def _compose(
    stage: _Stage, face: Array, motion: Motion, drop: Array, frame: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a frame, (size, size, 3) uint8, and the person's mask, (size, size) bool."""
    pitch = stage.grid.pitch
    columns, rows = maps(stage.warp, motion, drop, stage.grid, frame)
    right = _BODY_FOLLOWS_X * pitch * motion.x[frame]
    down = _BODY_FOLLOWS_Y * pitch * motion.y[frame]
    slide = np.array([[1, 0, right], [0, 1, down]], np.float32)
    side = face.shape[0]
    replicate, nothing = cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT
    back = cv2.remap(stage.back, columns, rows, cv2.INTER_LINEAR, borderMode=replicate)
    torso = cv2.warpAffine(stage.body, slide, (side, side), borderMode=replicate)
    front = cv2.remap(face, columns, rows, cv2.INTER_LINEAR, borderMode=nothing)
    person = over(over(_layer(back), _layer(torso)), _layer(front))
    seen = 1 - person[..., 3]
    picture = _shrink(person[..., :3] + stage.backdrop * seen[..., None])
    size = side // OVERSAMPLE
    mask = np.asarray(cv2.resize(person[..., 3], (size, size), interpolation=cv2.INTER_AREA)) > 0.5
    return picture, mask


def _layer(pixels: cv2.typing.MatLike) -> Array:
    return np.asarray(pixels, np.float32)


def _shrink(canvas: Array) -> np.ndarray:
    """Return a canvas (h, w, 3) in [0, 1] as (h / 2, w / 2, 3) uint8."""
    size = canvas.shape[0] // OVERSAMPLE
    small = np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA))
    return np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
