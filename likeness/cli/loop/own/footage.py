"""Films of a folder: which can be used, and why the others can't."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from likeness.rewards.faces import FaceFinder, FaceTrack, interpolate
from likeness.rewards.framing import fit_within, mouth_boxes, outside, steady_square
from likeness.rewards.lipsync import SILENCE
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.media import MediaError, iter_frames, probe, soundtrack
from likeness.store.weights import file_hash

FPS = 25.0
RATE = 16000
LONGEST_SIDE = 512
MOST_FRAMES = 750  # half a minute a film
SEEN = 0.8  # share of frames that must show the face
ASTRAY = 0.1  # share of frames in which the face may leave the square


class FootageError(LikenessError):
    """A film that can't be used, or a folder without one that can."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """The head of one person talking, cut out of a film.

    Attributes:
        name: of the film.
        clip: (T, size, size, 3) at 25 fps with its 16 kHz sound.
        boxes: (T, 4) float32 face boxes in the clip's pixels.
        mouths: (T, 4) float32 mouth boxes.

    """

    name: str
    clip: Clip
    boxes: np.ndarray
    mouths: np.ndarray

    def window(self, start: int, frames: int) -> "Head":
        """Cut out ``frames`` frames from frame ``start`` on, with their sound."""
        cut = slice(start, start + frames)
        return Head(
            name=self.name,
            clip=self.clip.window(start, frames),
            boxes=self.boxes[cut],
            mouths=self.mouths[cut],
        )


def films(folder: Path) -> dict[str, Path]:
    """List a folder's files by name: without the ending, where that is still unique.

    Raises:
        FootageError: there is no such folder, or nothing in it.

    """
    if not folder.is_dir():
        raise FootageError(f"{folder}: there is no such folder; give a folder of films")
    paths = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    if not paths:
        raise FootageError(f"{folder}: no files in it; put films of a talking person there")
    stems = Counter(path.stem for path in paths)
    return {path.stem if stems[path.stem] == 1 else path.name: path for path in paths}


def fingerprint(paths: dict[str, Path]) -> dict[str, str]:
    """SHA-256 of each film's file, by its name."""
    return {name: file_hash(path) for name, path in paths.items()}


def read(path: Path) -> Clip:
    """Read the first half minute of a film, its longer side brought to 512 pixels at most.

    Raises:
        MediaError: it can't be read, or has no picture.
        FootageError: it has no sound, or none to be heard.

    """
    info = probe(path)
    if info.video is None:
        raise MediaError(f"{path}: no picture in it; give a film")
    if info.audio is None:
        raise FootageError(f"{path}: no sound in it; give a film with speech")
    frames = np.stack(list(_pictures(path)))
    audio = soundtrack(path, len(frames) / FPS, sample_rate=RATE)
    if np.sqrt(np.mean(audio.astype(np.float64) ** 2)) < SILENCE:
        raise FootageError(f"{path}: silent, its sound stays below -60 dB; give a film with speech")
    return Clip(frames=frames, fps=FPS, audio=audio, sample_rate=RATE, origin=info.origin)


def _pictures(path: Path) -> Iterator[np.ndarray]:
    for frame in islice(iter_frames(path, fps=FPS), MOST_FRAMES):
        size = fit_within(frame.shape[1], frame.shape[0], LONGEST_SIDE)
        small = size != (frame.shape[1], frame.shape[0])
        yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if small else frame


def find_face(path: Path, clip: Clip, faces: FaceFinder, least: int) -> FaceTrack:
    """Follow the face of the one person in a film.

    Raises:
        FootageError: too short, no face, two people, or a face in too few frames.

    """
    track = faces.tracks([clip])[0]
    complaint = track.complaint(max(least, int(SEEN * len(clip))))
    if complaint:
        raise FootageError(f"{path}: {complaint}")
    return track


def head(name: str, path: Path, clip: Clip, track: FaceTrack, size: int) -> Head:
    """Cut the head out with one steady square.

    Raises:
        FootageError: the head moves out of the square.

    """
    square = steady_square(track)
    astray = outside(track, square)
    if astray > ASTRAY:
        raise FootageError(
            f"{path}: the head leaves a steady square in {astray:.0%} of the frames; "
            "give a film in which it stays in place"
        )
    cut = Clip(
        frames=square.cut(clip.frames, (size, size)),
        fps=clip.fps,
        audio=clip.audio,
        sample_rate=clip.sample_rate,
        origin=clip.origin,
        scene=name,
    )
    return Head(
        name=name,
        clip=cut,
        boxes=square.boxes(interpolate(track), (size, size)),
        mouths=square.boxes(mouth_boxes(track), (size, size)),
    )
