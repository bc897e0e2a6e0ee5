"""Many takes at once, as arrays: what the small models learn from."""

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from likeness.store.progress import Progress, silent
from likeness.testbed.cast import take_of
from likeness.testbed.person import Person
from likeness.testbed.take import LANDMARKS, Take

_MOUTH = [LANDMARKS.index(name) for name in ("mouth_left", "mouth_right", "lip_top", "lip_bottom")]
_MOUTH_MARGIN = 1.5  # pixels at 64 x 64 around the lips


@dataclass(frozen=True, kw_only=True, eq=False)
class Reel:
    """Takes of P people in S scenes each, T frames of one size at 25 fps.

    Attributes:
        frames: (P, S, T, H, W, 3) uint8.
        audio: (P, S, samples) float32 at 16 kHz.
        boxes: (P, S, T, 4) face boxes in pixels.
        mouths: (P, S, T, 4) mouth boxes in pixels.
        five: (P, S, T, 5, 2) points of face alignment.
        landmarks: (P, S, T, K, 2).
        eye_open: (P, S, T) in 0..1.
        hidden: (P, S, H, W) bool.
        backgrounds: (P, S, H, W, 3) uint8.
        captions: P * S, scenes of one person together.

    """

    frames: NDArray[np.uint8]
    audio: NDArray[np.float32]
    boxes: NDArray[np.float32]
    mouths: NDArray[np.float32]
    five: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    eye_open: NDArray[np.float32]
    hidden: NDArray[np.bool_]
    backgrounds: NDArray[np.uint8]
    captions: list[str]


def film(
    people: list[Person],
    scenes: int,
    seconds: float,
    *,
    size: int = 64,
    workers: int = 2,
    progress: Progress = silent,
) -> Reel:
    """Film people in scenes 0 .. scenes - 1; the workers' number changes nothing but the time."""
    rows = []
    for done, row in enumerate(_film_all(people, scenes, seconds, size, workers), 1):
        rows.append(row)
        progress(done, len(people), "filming the testbed")
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "captions"}
    return Reel(**arrays, captions=[caption for row in rows for caption in row["captions"]])


def _film_all(
    people: list[Person], scenes: int, seconds: float, size: int, workers: int
) -> Iterator[dict]:
    one = partial(_film_person, scenes=scenes, seconds=seconds, size=size)
    if workers == 1:
        yield from map(one, people)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(one, people, chunksize=4)


def _film_person(person: Person, scenes: int, seconds: float, size: int) -> dict:
    takes = [take_of(person, scene, seconds, size) for scene in range(scenes)]
    return {
        "frames": np.stack([t.clip.frames for t in takes]),
        "audio": np.stack([t.clip.audio for t in takes]),
        "boxes": np.stack([t.truth.face_box for t in takes]),
        "mouths": np.stack([mouth_box(t, size) for t in takes]),
        "five": np.stack([t.truth.five for t in takes]),
        "landmarks": np.stack([t.truth.landmarks for t in takes]),
        "eye_open": np.stack([t.truth.eye_open for t in takes]),
        "hidden": np.stack([t.hidden for t in takes]),
        "backgrounds": np.stack([t.background for t in takes]),
        "captions": [t.caption for t in takes],
    }


def mouth_box(take: Take, size: int) -> NDArray[np.float32]:
    """Box around the lips of each frame, (T, 4) in pixels."""
    points = take.truth.landmarks[:, _MOUTH]
    margin = np.float32(_MOUTH_MARGIN * size / 64)
    return np.concatenate([points.min(1) - margin, points.max(1) + margin], -1)
