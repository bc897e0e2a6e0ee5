"""Which frames may fix the looks of a long clip: a face is seen, and its eyes are open."""

import numpy as np

from likeness.rewards.faces import FaceFinder, track
from likeness.rewards.landmarks import Landmarker
from likeness.rewards.movement import eye_opening

OPEN = 0.7


class AnchorCheck:
    """Says of each frame what is wrong with it as an anchor.

    A person's eyes are open where they are at least 70 % as far open as in the frame at their
    ninth decile: so narrow eyes are no closed ones.

    Args:
        faces: finds the face.
        landmarker: finds the lids.

    """

    def __init__(self, faces: FaceFinder, landmarker: Landmarker) -> None:
        self.faces = faces
        self.landmarker = landmarker

    def __call__(self, frames: np.ndarray) -> list[str | None]:
        """Map (T, H, W, 3) uint8 to T faults, None where there is none."""
        found = track(self.faces.detector.detect(frames))
        points = self.landmarker.find(frames, found)
        opening = eye_opening(points, self.landmarker.layout)
        if not np.isfinite(opening).any():
            return ["no face"] * len(frames)
        least = OPEN * float(np.nanquantile(opening, 0.9))
        return [
            "no face" if not np.isfinite(o) else "closed eyes" if o < least else None
            for o in opening
        ]
