"""A clip read twice: once for its faces and its sound, once cut to the model's size."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.rewards.faces import FaceDetector, Faces, FaceTrack, track
from likeness.rewards.framing import Size, Window, around_head, steady_square, widest
from likeness.rewards.lipsync import SILENCE
from likeness.store.hiding import head_and_shoulders, region_around
from likeness.store.media import iter_frames, probe, soundtrack
from likeness.training.corpus.settings import CorpusError, Crop

LONGEST = 1500  # frames of a take: what is held in memory, and framed alike
PLATE = 150  # frames that the plate is the median of, at most
_GRID = 16  # pixels: the side of a token, by which a hidden region is placed
_SLACK = 0.02  # of the picture, by which a box may lie outside it
_AT_ONCE = 32  # whole pictures that are held in memory for the detector


class UnfitError(CorpusError):
    """A clip or a window that can't be learnt from.

    Attributes:
        kind: of the reason, which refusals are counted by.

    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """A clip but for its pictures.

    Attributes:
        path: of the file.
        fps: that it is read at.
        size: height and width in pixels.
        faces: what was found in each frame.
        audio: (samples,) float32 at 16 kHz, as long as the picture.

    """

    path: Path
    fps: float
    size: Size
    faces: list[Faces]
    audio: np.ndarray

    def __len__(self) -> int:
        return len(self.faces)


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """A minute of a clip at most, cut to the model's size with one steady frame.

    Attributes:
        start: its first frame in the clip.
        frames: (T, h, w, 3) uint8.
        track: the face in its pixels.
        plate: (h, w, 3) uint8, the scene: what is there most of the time.
        hidden: (h, w) bool, where the person is.
        astray: (T,) bool, where the face leaves the frame.

    """

    start: int
    frames: np.ndarray
    track: FaceTrack
    plate: np.ndarray
    hidden: np.ndarray
    astray: np.ndarray


def study(path: Path, fps: float, detector: FaceDetector, least: int) -> Footage:
    """Look for faces in a clip and listen to it; a few pictures are in memory at a time.

    Raises:
        MediaError: it can't be read.
        UnfitError: no picture, no sound, silence, or fewer frames than ``least``.

    """
    info = probe(path)
    if info.video is None:
        raise UnfitError("no picture", "no picture in it")
    if info.audio is None:
        raise UnfitError("no sound", "no sound in it: speech is what lips are learnt from")
    pictures = iter_frames(path, fps=fps)
    faces: list[Faces] = []
    size = (0, 0)
    while some := list(islice(pictures, _AT_ONCE)):
        size = some[0].shape[:2]
        faces += detector.detect(np.stack(some))
    if len(faces) < least:
        raise UnfitError("too short", f"{len(faces)} frames, at least {least} needed")
    audio = soundtrack(path, len(faces) / fps, sample_rate=SAMPLE_RATE)
    if np.sqrt(np.mean(audio.astype(np.float64) ** 2)) < SILENCE:
        raise UnfitError("silent", "its sound stays below -60 dB")
    return Footage(path=path, fps=fps, size=size, faces=faces, audio=audio)


def takes(footage: Footage, shape: Size, crop: Crop) -> Iterator[Take | UnfitError]:
    """Cut a clip's takes out, in order; one without any face gives the reason instead.

    Raises:
        MediaError: the file can't be read any more.

    """
    pictures = iter_frames(footage.path, fps=footage.fps)
    parts = math.ceil(len(footage) / LONGEST)
    edges = [round(k * len(footage) / parts) for k in range(parts + 1)]
    for start, stop in pairwise(edges):
        here = islice(pictures, stop - start)
        face = track(footage.faces[start:stop])
        if not face.found.any():
            for _ in here:
                pass
            yield UnfitError("no face", f"no face in any of {stop - start} frames")
            continue
        yield _cut(here, start, face, footage.size, shape, crop)


def framed(face: FaceTrack, picture: Size, shape: Size, crop: Crop) -> Window:
    """Choose what is taken of a take's picture, by the median of its face boxes."""
    box = np.nanmedian(face.boxes, axis=0)
    if crop == "head":
        return around_head(box, shape)
    return widest(picture, shape, (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2))


def _cut(
    pictures: Iterator[np.ndarray],
    start: int,
    face: FaceTrack,
    picture: Size,
    shape: Size,
    crop: Crop,
) -> Take:
    window = framed(face, picture, shape, crop)
    frames = np.concatenate([window.cut(picture[None], shape) for picture in pictures])
    inside = window.track(face, shape)
    chosen = np.unique(np.linspace(0, len(frames) - 1, PLATE).round().astype(int))
    return Take(
        start=start,
        frames=frames,
        track=inside,
        plate=np.median(frames[chosen], axis=0).astype(np.uint8),
        hidden=_hidden(inside, shape, crop),
        astray=_astray(inside.boxes, shape),
    )


def _hidden(inside: FaceTrack, shape: Size, crop: Crop) -> np.ndarray:
    """Hide the head and what is below: alike for everybody, or in steps that tell little."""
    if crop == "head":
        return head_and_shoulders(*shape)
    square = steady_square(inside)
    left, top = (edge // _GRID * _GRID for edge in (square.left, square.top))
    right = -(-(square.left + square.width) // _GRID) * _GRID
    return region_around(left, top, right - left, shape)


def _astray(boxes: np.ndarray, shape: Size) -> np.ndarray:
    """Mark the frames whose face lies partly outside the picture, (T,) bool."""
    size = np.array([shape[1], shape[0]])
    low, high = boxes[:, :2] < -_SLACK * size, boxes[:, 2:] > (1 + _SLACK) * size
    return np.any(low | high, axis=1)


def window_starts(length: int, frames: int, step: int, early: int) -> list[int]:
    """Spread windows evenly over a take: no more than ``step`` apart, the last one at its end.

    Each has ``early`` frames before it. A take that is too short has none.
    """
    room = length - frames - early
    if room < 0:
        return []
    count = 1 + math.ceil(room / step)
    return np.linspace(early, length - frames, count).round().astype(int).tolist()


def complaint(take: Take, start: int, frames: int, seen: float, astray: float) -> UnfitError | None:
    """Say why a window can't be learnt from, or None."""
    face = take.track.window(start, frames)
    reason = face.complaint(math.ceil(seen * frames))
    if reason is not None:
        if not face.found.any():
            return UnfitError("no face", reason)
        crowd = 2 * int((face.people > 1).sum()) > frames
        return UnfitError("two faces" if crowd else "unsteady face", reason)
    lost = int(take.astray[start : start + frames].sum())
    if lost > astray * frames:
        return UnfitError("leaves the frame", f"the face leaves the frame in {lost} of {frames}")
    return None
