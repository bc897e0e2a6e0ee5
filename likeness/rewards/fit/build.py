"""All small reward models from nothing, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.faces import FaceFinder
from likeness.rewards.fit.detector import FaceFrames, fit_detector
from likeness.rewards.fit.landmarker import MarkedFaces, fit_landmarker
from likeness.rewards.fit.motion import fit_motion
from likeness.rewards.fit.quality import fit_quality
from likeness.rewards.fit.recogniser import NamedFaces, fit_recogniser
from likeness.rewards.fit.syncnet import fit_syncnet
from likeness.rewards.fit.words import fit_words
from likeness.rewards.landmarks import TestbedLandmarker
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent

FPS = 25.0
RATE = 16_000
SYNC_PEOPLE = 320
MOTION_PEOPLE = 120
MOTION_FRAMES = 25


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Drawn people with known truth: P people in S scenes, T frames each at 25 fps.

    Attributes:
        frames: (P, S, T, 64, 64, 3) uint8 RGB, T a multiple of 25.
        audio: (P, S, samples) float32 at 16 kHz.
        boxes: (P, S, T, 4) face boxes in pixels.
        five: (P, S, T, 5, 2) points of face alignment.
        landmarks: (P, S, T, K, 2).
        names: of the K landmarks.
        backgrounds: (P, S, 64, 64, 3) uint8, nobody in sight.
        captions: P * S, scenes of one person together.
        crowd: many people with few frames each, for the recogniser: the more people, the better
            it tells new ones apart. The shipped one saw 1200 people in 4 scenes, 3 frames each.

    """

    frames: np.ndarray
    audio: np.ndarray
    boxes: np.ndarray
    five: np.ndarray
    landmarks: np.ndarray
    names: tuple[str, ...]
    backgrounds: np.ndarray
    captions: list[str]
    crowd: NamedFaces


def fit_rewards(material: Material, folder: Path, progress: Progress = silent) -> None:
    """Fit every model whose file is not in the folder yet, so that it goes on where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, step in FITS.items():
        path = folder / f"{name}.safetensors"
        if not path.exists():
            step(material, path, progress)


def _detector(material: Material, path: Path, progress: Progress) -> None:
    data = FaceFrames(
        frames=_every(material.frames, 5),
        boxes=_every(material.boxes, 5),
        five=_every(material.five, 5),
        empty=material.backgrounds.reshape(-1, *material.backgrounds.shape[2:]),
    )
    fit_detector(data, path, progress=progress)


def _recogniser(material: Material, path: Path, progress: Progress) -> None:
    fit_recogniser(material.crowd, path, progress=progress)


def _landmarker(material: Material, path: Path, progress: Progress) -> None:
    data = MarkedFaces(
        frames=_every(material.frames, 3),
        five=_every(material.five, 3),
        landmarks=_every(material.landmarks, 3),
        names=material.names,
    )
    fit_landmarker(data, path, progress=progress)


def _syncnet(material: Material, path: Path, progress: Progress) -> None:
    clips = _clips(material, SYNC_PEOPLE, material.frames.shape[2])
    tracks = _finder(path).tracks(clips)
    takes = [(c.frames, t, c.audio) for c, t in zip(clips, tracks, strict=True) if t.found.any()]
    fit_syncnet(takes, path, progress=progress)


def _quality(material: Material, path: Path, progress: Progress) -> None:
    fit_quality(_every(material.frames, 5), path, progress=progress)


def _words(material: Material, path: Path, progress: Progress) -> None:
    frames = material.frames[:, :, ::12]
    fit_words(frames.reshape(-1, *frames.shape[2:]), material.captions, path, progress=progress)


def _motion(material: Material, path: Path, progress: Progress) -> None:
    clips = _clips(material, MOTION_PEOPLE, MOTION_FRAMES)
    landmarker = TestbedLandmarker(path.parent / "landmarker.safetensors")
    fit_motion(clips, _finder(path), landmarker, path, progress=progress)


FITS: dict[str, Callable[[Material, Path, Progress], None]] = {
    "detector": _detector,
    "recogniser": _recogniser,
    "landmarker": _landmarker,
    "syncnet": _syncnet,
    "quality": _quality,
    "words": _words,
    "motion": _motion,
}
"""In the order of need: lip sync and motion look through the detector and the landmarks."""


def _finder(path: Path) -> FaceFinder:
    return FaceFinder(TestbedDetector(path.parent / "detector.safetensors"))


def _every(array: np.ndarray, step: int) -> np.ndarray:
    """Take every `step`-th frame of (P, S, T, ...): (N, ...)."""
    thinned = array[:, :, ::step]
    return np.ascontiguousarray(thinned).reshape(-1, *thinned.shape[3:])


def _clips(material: Material, people: int, frames: int) -> list[Clip]:
    """Cut the first people's takes into clips of `frames` frames with their sound."""
    samples = round(frames / FPS * RATE)
    _, scenes, total = material.frames.shape[:3]
    return [
        Clip(
            frames=np.ascontiguousarray(material.frames[p, s, k * frames : (k + 1) * frames]),
            fps=FPS,
            audio=np.ascontiguousarray(material.audio[p, s, k * samples : (k + 1) * samples]),
            sample_rate=RATE,
            identity=str(p),
            origin="testbed",
        )
        for p in range(min(people, len(material.frames)))
        for s in range(scenes)
        for k in range(total // frames)
    ]
