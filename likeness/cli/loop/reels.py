"""Films of the testbed on disk: what generator and judges learn from."""

from dataclasses import fields
from pathlib import Path

import numpy as np

from likeness.cli.loop.stage import FPS
from likeness.rewards.detectors import TestbedDetector
from likeness.rewards.faces import FaceTrack, track
from likeness.rewards.fit.detector import FaceFrames
from likeness.rewards.fit.landmarker import MarkedFaces
from likeness.rewards.fit.recogniser import NamedFaces
from likeness.rewards.landmarks import Layout
from likeness.rewards.movement import coefficients, measure
from likeness.store.clip import Clip
from likeness.testbed.film import Reel
from likeness.testbed.take import LANDMARKS
from likeness.training.talking_set import TalkingSet

SAMPLE_RATE = 16_000


def save_reel(reel: Reel, folder: Path) -> None:
    """Write a reel as a talking set plus what the judges learn from."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "marks.npz", five=reel.five, landmarks=reel.landmarks)
    talking_set(reel).save(folder)


def talking_set(reel: Reel) -> TalkingSet:
    """Take from a reel what a generator learns from; movement is told from the true landmarks."""
    shot = {f.name: getattr(reel, f.name) for f in fields(TalkingSet) if f.name != "movement"}
    return TalkingSet(**shot, movement=_movement(reel))


def _movement(reel: Reel) -> np.ndarray:
    layout = Layout.of_names(list(LANDMARKS))
    people, scenes = reel.frames.shape[:2]
    return np.stack(
        [
            [
                coefficients(measure(reel.landmarks[p, s], layout, _take(reel, p, s)))
                for s in range(scenes)
            ]
            for p in range(people)
        ]
    )


def _take(reel: Reel, person: int, scene: int) -> Clip:
    return Clip(
        frames=reel.frames[person, scene],
        fps=FPS,
        audio=reel.audio[person, scene],
        sample_rate=SAMPLE_RATE,
        origin="testbed",
    )


def named_faces(path: Path) -> NamedFaces:
    """Read the recogniser's faces."""
    shot = np.load(path)
    people, scenes, frames, size = shot["frames"].shape[:4]
    return NamedFaces(
        frames=shot["frames"].reshape(-1, size, size, 3),
        five=shot["five"].reshape(-1, 5, 2).astype(np.float64),
        labels=np.repeat(np.arange(people), scenes * frames),
    )


class ReelFolder:
    """A reel on disk, in the forms that the judges are fitted to.

    Args:
        folder: of :func:`save_reel`.
        people: only so many of them.

    """

    def __init__(self, folder: Path, people: int) -> None:
        self.folder = folder
        self.people = people
        self.data = TalkingSet.load(folder).first(people)
        self.size = self.data.frames.shape[3]

    def _marks(self, name: str, every: int) -> np.ndarray:
        marks = np.load(self.folder / "marks.npz")[name][: self.people, :, ::every]
        return marks.reshape(-1, *marks.shape[3:]).astype(np.float64)

    def _frames(self, every: int) -> np.ndarray:
        return np.ascontiguousarray(self.data.frames[:, :, ::every]).reshape(
            -1, self.size, self.size, 3
        )

    def face_frames(self) -> FaceFrames:
        """Give every fifth frame, with its box and points."""
        empty = np.asarray(self.data.backgrounds).reshape(-1, self.size, self.size, 3)
        boxes = self.data.boxes[:, :, ::5].reshape(-1, 4).astype(np.float64)
        return FaceFrames(
            frames=self._frames(5), boxes=boxes, five=self._marks("five", 5), empty=empty
        )

    def marked_faces(self) -> MarkedFaces:
        """Give every third frame, with all points."""
        return MarkedFaces(
            frames=self._frames(3),
            five=self._marks("five", 3),
            landmarks=self._marks("landmarks", 3),
            names=LANDMARKS,
        )

    def stills(self) -> np.ndarray:
        """Give every fifth frame: (N, H, W, 3) uint8."""
        return self._frames(5)

    def captioned(self) -> tuple[np.ndarray, list[str]]:
        """Give a few frames of each take, (takes, n, H, W, 3) uint8, and the takes' captions."""
        frames = self.data.frames[:, :, ::12]
        people, scenes, count = frames.shape[:3]
        shape = (people * scenes, count, self.size, self.size, 3)
        return np.ascontiguousarray(frames).reshape(shape), self.data.captions

    def talking(
        self, detector: TestbedDetector, people: int
    ) -> list[tuple[np.ndarray, FaceTrack, np.ndarray]]:
        """Give frames, face and sound of each take."""
        clips = []
        for person in range(min(people, len(self.data.frames))):
            for scene in range(self.data.frames.shape[1]):
                frames = np.ascontiguousarray(self.data.frames[person, scene])
                audio = np.ascontiguousarray(self.data.audio[person, scene])
                clips.append((frames, track(detector.detect(frames)), audio))
        return clips

    def clips(self, people: int) -> list[Clip]:
        """Cut two windows of a second of each take."""
        return [
            Clip(
                frames=np.ascontiguousarray(self.data.frames[p, s, a : a + 25]),
                fps=FPS,
                audio=np.ascontiguousarray(self.data.audio[p, s, a * 640 : a * 640 + 16_000]),
                sample_rate=SAMPLE_RATE,
                identity=str(p),
                origin="testbed",
            )
            for p in range(min(people, len(self.data.frames)))
            for s in range(self.data.frames.shape[1])
            for a in (0, 25)
        ]
