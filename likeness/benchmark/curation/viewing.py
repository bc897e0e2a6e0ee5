"""A candidate looked at once, from its first frame to its last, in the memory of a few frames."""

import math
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from likeness.benchmark.curation.candidates import Candidate
from likeness.benchmark.curation.faults import UnfitError, check_face, check_pictures
from likeness.benchmark.curation.scenes import shrink
from likeness.benchmark.curation.settings import CurationSettings
from likeness.rewards.faces import FaceDetector
from likeness.rewards.lipsync import SILENCE
from likeness.rewards.tracks import Faces, FaceTrack, track
from likeness.store.media import MediaError, iter_frames, probe, soundtrack

RATE = 16000
LOOKS = 24  # whole frames that are kept, spread over the clip
TRIES = 3  # stretches of a longer film that are looked at
_AT_ONCE = 32  # whole frames that are held for the detector
_SLACK = 0.25  # seconds by which a file may be longer than its record and still be what was cut


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A clip that is fit but for its quality.

    Attributes:
        path: of the film.
        start: seconds into the film.
        origin: what made the frames, as far as the file tells.
        size: height and width in pixels.
        small: (T, h, w, 3) uint8, at most 160 pixels a side.
        shown: which frames are kept whole.
        whole: those frames, (n, H, W, 3) uint8.
        track: the face, in whole pixels.
        audio: (samples,) float32 at 16 kHz.

    """

    path: Path
    start: float
    origin: str
    size: tuple[int, int]
    small: np.ndarray
    shown: np.ndarray
    whole: np.ndarray
    track: FaceTrack
    audio: np.ndarray


def view(clip: Candidate, settings: CurationSettings, detector: FaceDetector) -> View:
    """Look at a candidate: the first stretch of it that is fit.

    Raises:
        MediaError: it can't be read.
        UnfitError: no stretch is fit; of the first one, why.

    """
    starts, origin = _stretches(clip, settings)
    reason: UnfitError | None = None
    for start in starts:
        try:
            return _look(clip.path, start, origin, settings, detector)
        except UnfitError as error:
            reason = reason or error
    assert reason is not None
    raise reason


def _stretches(clip: Candidate, settings: CurationSettings) -> tuple[list[float], str]:
    """Say where stretches begin, after what the file tells of itself."""
    info = probe(clip.path)
    if info.video is None:
        raise UnfitError("no picture", "no picture in it")
    if info.origin == "generated":
        raise UnfitError("generated", "a generator made it, and a benchmark is of true clips")
    if info.video.fps < settings.least_rate:
        raise UnfitError(
            "low rate",
            f"{info.video.fps:.4g} frames a second, at least {settings.least_rate:g} needed",
        )
    if info.audio is None:
        raise UnfitError("no sound", "no sound in it")
    start, end = clip.start, clip.end
    if end is not None and info.duration <= end - start + _SLACK:
        start, end = 0.0, None  # the file is the stretch already
    last = min(info.duration, math.inf if end is None else end)
    room = last - start - settings.seconds
    if math.isnan(room):
        return [start], info.origin
    if room < -0.5 / settings.fps:
        raise UnfitError(
            "too short", f"{max(0, last - start):.2f} s, {settings.seconds:g} s needed"
        )
    count = min(TRIES, 1 + int(max(0, room) // settings.seconds))
    return (start + np.linspace(0, max(0, room), count)).tolist(), info.origin


def _look(
    path: Path, start: float, origin: str, settings: CurationSettings, detector: FaceDetector
) -> View:
    shown = np.unique(np.linspace(0, settings.frames - 1, LOOKS).round().astype(int))
    chosen = set(shown.tolist())
    pictures = islice(iter_frames(path, fps=settings.fps, start=start), settings.frames)
    faces: list[Faces] = []
    small: list[np.ndarray] = []
    whole: list[np.ndarray] = []
    size = (0, 0)
    while some := list(islice(pictures, _AT_ONCE)):
        size = some[0].shape[:2]
        whole += [frame for k, frame in enumerate(some, len(small)) if k in chosen]
        small += [shrink(frame) for frame in some]
        faces += detector.detect(np.stack(some))
    if len(small) < settings.frames:
        raise UnfitError(
            "damaged",
            f"{len(small)} of {settings.frames} frames can be read: the file tells of more",
        )
    audio = soundtrack(path, settings.seconds, sample_rate=RATE, start=start)
    if np.sqrt(np.mean(audio.astype(np.float64) ** 2)) < SILENCE:
        raise UnfitError("silent", "its sound stays below -60 dB")
    found = track(faces)
    frames = np.stack(small)
    check_face(found, settings)
    check_pictures(frames, settings)
    return View(
        path=path,
        start=start,
        origin=origin,
        size=size,
        small=frames,
        shown=shown,
        whole=np.stack(whole),
        track=found,
        audio=audio,
    )


def told(error: MediaError, path: Path) -> UnfitError:
    """Say as a reason why a file can't be read."""
    reason = str(error).removeprefix(f"{path}: ")
    kind = "damaged" if path.is_file() else "missing"
    return UnfitError(kind, reason)
