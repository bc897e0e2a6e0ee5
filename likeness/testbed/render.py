"""A talking head as layers: backdrop, back hair, body, head.

Still layers are painted once a take on a canvas of twice the resolution; eyes
and mouth are painted for all frames at once; each frame then warps the head
(shift, turn by depth, roll, jaw, brows) and lays the layers over each other.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from likeness.store.clip import Clip
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
from likeness.testbed.shapes import OVERSAMPLE, Array, Grid
from likeness.testbed.speech import FPS, SAMPLE_RATE, Speech
from likeness.testbed.take import Take, Truth, hidden_region

_CHUNK = 32
_BODY_FOLLOWS = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stage:
    """The still layers of a take."""

    grid: Grid
    backdrop: Array
    back: Array
    body: Array
    head: Head
    warp: Warp


def render(
    person: Person, scene: Scene, speech: Speech, *, size: int = 64, rng: np.random.Generator
) -> Take:
    """Film a person saying a speech in a scene.

    size: side of the square frames, at least 16. rng: draws the motion, not the
    words. Returns a take with as many frames as the speech has, at 25 fps.
    """
    grid = Grid.of_size(size)
    motion = move(person.manner, speech, rng)
    shape = lips(person, speech)
    drop = jaw_drop(shape)
    painted = head(person, scene.light, grid)
    stage = _Stage(
        grid=grid,
        backdrop=backdrop(scene, grid),
        back=back_hair(person, scene.light, grid),
        body=body(person, scene, grid),
        head=painted,
        warp=Warp.of(person, painted.depth, grid),
    )
    faces = _faces(person, scene, speech, shape, motion, stage)
    frames = np.empty((len(drop), size, size, 3), np.uint8)
    mask = np.empty((len(drop), size, size), bool)
    for frame, face in enumerate(faces):
        frames[frame], mask[frame] = _compose(stage, face, motion, drop, frame)
    points = landmarks(person, shape, motion, stage.warp, grid, size)
    clip = Clip(
        frames=frames,
        fps=float(FPS),
        audio=speech.audio,
        sample_rate=SAMPLE_RATE,
        identity=person.identity,
        scene=scene.name,
        origin="testbed",
    )
    truth = Truth(
        landmarks=points,
        five=five_points(points),
        face_box=face_box(points),
        mask=mask,
        mouth_open=opening(points),
        eye_open=(1 - motion.blink).astype(np.float32),
        identity=person.identity,
        manner=person.manner,
    )
    return Take(
        clip=clip,
        truth=truth,
        background=_shrink(stage.backdrop),
        hidden=hidden_region(size),
        caption=scene.caption(),
    )


def _faces(person: Person, scene: Scene, speech: Speech, shape: Lips, motion: Motion, stage: _Stage):
    """Yield the head layer of each frame at rest, (h, w, 4), valid until the next."""
    for start in range(0, len(speech.open), _CHUNK):
        part = slice(start, start + _CHUNK)
        some = _cut(speech, part), _cut(shape, part), _cut(motion, part)
        patches = _patches(person, scene, some, stage)
        base = _over(stage.head.under, stage.head.over)
        count = len(some[0].open)
        for frame in range(count):
            for where, patch in patches:
                base[where] = patch[frame]
            yield base


def _patches(person: Person, scene: Scene, some: tuple[Speech, Lips, Motion], stage: _Stage):
    """Return where each moving part is on the canvas and its pixels, (T, h, w, 4)."""
    speech, shape, motion = some
    boxes: list[Box] = [eye_box(person, -1), eye_box(person, 1), mouth_box(person)]
    patches = []
    for index, box in enumerate(boxes):
        grid, where = stage.grid.crop(box)
        under = stage.head.under[where]
        layer = np.repeat(under[None], len(speech.open), 0)
        if index < 2:
            paint_eye(layer, person, (-1, 1)[index], motion, scene.light, grid)
        else:
            paint_mouth(layer, person, shape, speech, scene.light, grid)
        patches.append((where, _over(layer, stage.head.over[where])))
    return patches


def _cut(tracks, part: slice):
    """Return a record of per-frame arrays cut to some frames."""
    names = [name for name in tracks.__dataclass_fields__ if name != "audio"]
    values = {name: getattr(tracks, name)[part] for name in names}
    if isinstance(tracks, Speech):
        values["audio"] = tracks.audio
    return type(tracks)(**values)


def _over(below: Array, above: Array) -> Array:
    """Return one premultiplied layer laid over another."""
    return below * (1 - above[..., 3:]) + above


def _compose(stage: _Stage, face: Array, motion: Motion, drop: Array, frame: int):
    """Return a frame, (size, size, 3) uint8, and the person's mask, (size, size) bool."""
    pitch = stage.grid.pitch
    columns, rows = maps(stage.warp, motion, drop, stage.grid, frame)
    shift = (_BODY_FOLLOWS * pitch * motion.x[frame], 0.12 * pitch * motion.y[frame])
    slide = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    side = face.shape[0]
    person = cv2.remap(stage.back, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    torso = cv2.warpAffine(stage.body, slide, (side, side), borderMode=cv2.BORDER_REPLICATE)
    person = _over(person, torso)
    front = cv2.remap(face, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    person = _over(person, front)
    alpha = person[..., 3:]
    picture = _shrink(person[..., :3] + stage.backdrop * (1 - alpha))
    size = side // OVERSAMPLE
    mask = cv2.resize(person[..., 3], (size, size), interpolation=cv2.INTER_AREA) > 0.5
    return picture, mask


def _shrink(canvas: Array) -> np.ndarray:
    """Return a canvas (h, w, 3) in [0, 1] as (h / 2, w / 2, 3) uint8."""
    size = canvas.shape[0] // OVERSAMPLE
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8)
