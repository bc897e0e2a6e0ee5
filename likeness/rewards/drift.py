"""How far a long clip drifts: identity and colour by the minute, and jerks at its seams."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import isnan
from typing import Any

import cv2
import numpy as np
from scipy import stats

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.faces import FaceFinder, track
from likeness.rewards.recognisers import Recogniser

LEAST_CHUNKS = 3


@dataclass(frozen=True, kw_only=True)
class Slope:
    """A straight line through the chunks of a clip.

    Attributes:
        value: change a minute; NaN for fewer than three chunks.
        low, high: its 95 % interval (least squares over the chunks' means, Student's t).
        first, last: means of the first and of the last chunk.

    """

    value: float
    low: float
    high: float
    first: float
    last: float


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What became of a person and a scene over a clip.

    Attributes:
        identity: cosine of the face to the nearest face of the reference, -1..1.
        colour: distance (CIE 1976, L*a*b*) of a chunk's mean colour from the first chunk's.
        seam_jerk: RMS third difference of the head's place around the seams, by that elsewhere;
            1 where seams are like any frame, NaN without seams or faces.
        chunks: how many there are.
        faceless: share of frames without a face.

    """

    identity: Slope
    colour: Slope
    seam_jerk: float
    chunks: int
    faceless: float

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, null for NaN."""
        plain = asdict(self)
        for line in (plain, plain["identity"], plain["colour"]):
            line |= {k: None for k, v in line.items() if isinstance(v, float) and isnan(v)}
        return plain


class DriftMeter:
    """Takes the frames of a clip as they come and keeps a few numbers of each.

    Args:
        faces: finds the face.
        recogniser: embeds it.
        reference: (T, H, W, 3) uint8 frames of the person.
        fps: of the clip.

    """

    def __init__(
        self, faces: FaceFinder, recogniser: Recogniser, reference: np.ndarray, fps: float
    ) -> None:
        self.faces = faces
        self.recogniser = recogniser
        self.fps = fps
        self.reference, _ = self._embed(reference)
        self._likeness: list[np.ndarray] = []
        self._place: list[np.ndarray] = []
        self._colour: list[np.ndarray] = []

    def add(self, frames: np.ndarray) -> None:
        """Measure the next frames (T, H, W, 3) uint8."""
        embedded, eyes = self._embed(frames)
        likeness = np.full(len(frames), np.nan)
        if len(self.reference):
            seen = np.isfinite(eyes[:, 0])
            likeness[seen] = (embedded @ self.reference.T).max(1)
        self._likeness.append(likeness)
        self._place.append(eyes)
        self._colour.append(np.stack([_lab(frame).reshape(-1, 3).mean(0) for frame in frames]))

    def result(self, seams: Sequence[int]) -> Drift:
        """Sum up; ``seams`` are the first frames of the chunks after the first."""
        likeness, place, colour = (
            np.concatenate(rows) for rows in (self._likeness, self._place, self._colour)
        )
        edges = [0, *(s for s in seams if s < len(likeness)), len(likeness)]
        spans = [slice(a, b) for a, b in pairwise(edges)]
        minutes = np.array([(s.start + s.stop) / 2 / self.fps / 60 for s in spans])
        known = np.isfinite(likeness)
        faces = [likeness[s][known[s]] for s in spans]
        person = np.array([rows.mean() if len(rows) else np.nan for rows in faces])
        scene = np.stack([colour[s].mean(0) for s in spans])
        return Drift(
            identity=slope(minutes, person),
            colour=slope(minutes, np.linalg.norm(scene - scene[0], axis=1)),
            seam_jerk=seam_jerk(place, edges[1:-1]),
            chunks=len(spans),
            faceless=float(1 - known.mean()) if len(self.reference) else float("nan"),
        )

    def _embed(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Embeddings (n, D) of the frames with a face; middle of the eyes (T, 2) by their gap."""
        found = track(self.faces.detector.detect(frames))
        seen = np.flatnonzero(found.found)
        matrices = umeyama(found.five[seen], template(self.recogniser.size, self.recogniser.zoom))
        crops = crop_faces(frames[seen], matrices, self.recogniser.size)
        left, right = found.five[:, 0], found.five[:, 1]
        gap = np.linalg.norm(right - left, axis=1, keepdims=True)
        return self.recogniser.embed(crops), (left + right) / 2 / gap


def slope(minutes: np.ndarray, values: np.ndarray) -> Slope:
    """Fit a line to values (n,) at times in minutes; NaN values are left out."""
    known = np.isfinite(values)
    x, y = minutes[known], values[known]
    first, last = (float(y[0]), float(y[-1])) if len(y) else (float("nan"), float("nan"))
    if len(y) < LEAST_CHUNKS:
        nan = float("nan")
        return Slope(value=nan, low=nan, high=nan, first=first, last=last)
    fit: Any = stats.linregress(x, y)
    half = float(stats.t.ppf(0.975, len(y) - 2)) * float(fit.stderr)
    value = float(fit.slope)
    return Slope(value=value, low=value - half, high=value + half, first=first, last=last)


def seam_jerk(place: np.ndarray, seams: Sequence[int]) -> float:
    """RMS third difference of (T, 2) around the seams by that elsewhere; NaN where unknown."""
    jerk = np.linalg.norm(np.diff(place, n=3, axis=0), axis=1)  # row i spans frames i..i + 3
    at = np.zeros(len(jerk), bool)
    for seam in seams:
        at[max(0, seam - 3) : seam] = True
    inside, outside = jerk[at & np.isfinite(jerk)], jerk[~at & np.isfinite(jerk)]
    if not len(inside) or not len(outside) or not outside.any():
        return float("nan")
    return float(np.sqrt((inside**2).mean() / (outside**2).mean()))


def _lab(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
