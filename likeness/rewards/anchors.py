"""Which frames may fix the looks of a long clip: a face is seen, and its eyes are open."""

import numpy as np

from likeness.rewards.faces import FaceFinder, FaceTrack, track
from likeness.rewards.landmarks import Landmarker

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
        opening = eye_opening(frames, found, self.landmarker)
        if not np.isfinite(opening).any():
            return ["no face"] * len(frames)
        least = OPEN * float(np.nanquantile(opening, 0.9))
        return [
            "no face" if not np.isfinite(o) else "closed eyes" if o < least else None
            for o in opening
        ]


def eye_opening(frames: np.ndarray, found: FaceTrack, landmarker: Landmarker) -> np.ndarray:
    """Measure how far the eyes are open by their width, (T,); NaN without a face."""
    points = landmarker.find(frames, found)
    layout = landmarker.layout
    gaps = np.stack([_distance(points, pair) for pair in layout.lids])
    widths = np.stack([_distance(points, pair) for pair in layout.eyes])
    return gaps.mean(0) / widths.mean(0)


def _distance(points: np.ndarray, pair: tuple[int, int]) -> np.ndarray:
    return np.linalg.norm(points[:, pair[1]] - points[:, pair[0]], axis=1)
