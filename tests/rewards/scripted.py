"""A face detector that sees what a test tells it to, and clips that tell it."""

import numpy as np

from likeness.rewards.faces import Faces
from likeness.store.clip import Clip

BIG, BESIDE, SMALL = (0, 0, 40, 50), (60, 0, 95, 45), (60, 0, 72, 14)

# eyes, nose and mouth corners of a face, as shares of its box
POINTS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])


def faces(*boxes: tuple[float, float, float, float]) -> Faces:
    array = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    extent = array[:, None, 2:] - array[:, None, :2]
    return Faces(
        boxes=array,
        five=(array[:, None, :2] + POINTS * extent).astype(np.float32),
        confidence=np.ones(len(array), dtype=np.float32),
    )


class ScriptedDetector:
    """Sees what a frame's first pixel says: nobody, a face, two faces, a face and a bystander."""

    hash = "scripted"
    script = (faces(), faces(BIG), faces(BIG, BESIDE), faces(BIG, SMALL))

    def __init__(self) -> None:
        self.frames = 0

    def detect(self, frames: np.ndarray) -> list[Faces]:
        self.frames += len(frames)
        return [self.script[frame[0, 0, 0]] for frame in frames]


def clip(*codes: int, audio: np.ndarray | None = None) -> Clip:
    """Frames that show what the codes say."""
    frames = np.zeros((len(codes), 64, 96, 3), dtype=np.uint8)
    frames[:, 0, 0, 0] = codes
    sound = np.zeros(0, dtype=np.float32) if audio is None else audio
    return Clip(frames=frames, fps=25.0, audio=sound, sample_rate=16_000)
