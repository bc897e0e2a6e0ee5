"""How much a clip shows the person it should (TAVR's ID_ref and ID_target)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from likeness.rewards.align import crop_faces, template, umeyama
from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.faces import FaceFinder
from likeness.rewards.recognisers import Recogniser
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

LEAST_FRAMES = 20


@dataclass(frozen=True, kw_only=True)
class Chamfer:
    """Similarity of two sets of embeddings.

    Attributes:
        forward: mean over the first set of the best cosine in the second, -1..1.
        backward: the same from the second set to the first.

    """

    forward: float
    backward: float

    @property
    def value(self) -> float:
        """Mean of both directions."""
        return (self.forward + self.backward) / 2


def chamfer(a: np.ndarray, b: np.ndarray) -> Chamfer:
    """Chamfer similarity of unit rows a (n, D) and b (m, D): S = A B^T, best match both ways."""
    similarity = a @ b.T
    return Chamfer(
        forward=float(similarity.max(axis=1).mean()), backward=float(similarity.max(axis=0).mean())
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Portrait:
    """A clip's face embeddings.

    Attributes:
        embeddings: (n, D) float32 unit rows of the frames with a face; empty with a complaint.
        coverage: share of frames with a face.
        complaint: why the clip can't be compared, or None.

    """

    embeddings: np.ndarray
    coverage: float
    complaint: str | None


def portrait_of(frames: np.ndarray, five: np.ndarray, recogniser: Recogniser) -> np.ndarray:
    """Sum a person's face up: the mean embedding, of length 1.

    Args:
        frames: (T, H, W, 3) uint8 of one person.
        five: (T, 5, 2) points of face alignment in pixels, NaN where there is no face.
        recogniser: embeds aligned faces.

    Returns:
        (D,) float32; NaN where no frame has a face.

    """
    seen = np.isfinite(five).all(axis=(1, 2))
    matrices = umeyama(five[seen], template(recogniser.size, recogniser.zoom))
    rows = recogniser.embed(crop_faces(frames[seen], matrices, recogniser.size))
    if not len(rows):
        return np.full(rows.shape[1], np.nan, np.float32)
    mean = rows.mean(axis=0)
    return mean / np.linalg.norm(mean)


class IdentityReward:
    """Chamfer similarity to the reference and to the target, -1..1, higher is more alike.

    Args:
        faces: finds the face of each frame.
        recogniser: embeds aligned faces.
        least_frames: frames with a face below which a clip is not scored.

    """

    names = ("identity_ref", "identity_target")
    version = "chamfer-1"

    def __init__(
        self, faces: FaceFinder, recogniser: Recogniser, least_frames: int = LEAST_FRAMES
    ) -> None:
        self.faces = faces
        self.recogniser = recogniser
        self.least_frames = least_frames
        self.weights = f"{faces.detector.hash}+{recogniser.hash}"
        self.portraits = ClipCache(self._portraits)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its reference and its target."""
        clips = [
            clip for s in subjects for clip in (s.clip, s.reference, s.target) if clip is not None
        ]
        progress(0, len(subjects), "identity")
        portraits = {
            clip.hash: portrait for clip, portrait in zip(clips, self.portraits(clips), strict=True)
        }
        scores = []
        for subject in subjects:
            for name, other in zip(self.names, (subject.reference, subject.target), strict=True):
                scores.append(self._compare(subject, name, other, portraits))
        progress(len(subjects), len(subjects), "identity")
        return scores

    def _compare(
        self, subject: Subject, name: str, other: Clip | None, portraits: dict[str, Portrait]
    ) -> Score:
        role = name.removeprefix("identity_").replace("ref", "reference")
        if other is None:
            return missing(self, subject, name, f"no {role} given")
        mine, theirs = portraits[subject.clip.hash], portraits[other.hash]
        if mine.complaint:
            return missing(self, subject, name, mine.complaint)
        if theirs.complaint:
            return missing(self, subject, name, f"{role}: {theirs.complaint}")
        return scored(self, subject, name, chamfer(mine.embeddings, theirs.embeddings).value)

    def _portraits(self, clips: list[Clip]) -> list[Portrait]:
        tracks = self.faces.tracks(clips)
        target = template(self.recogniser.size, self.recogniser.zoom)
        crops, counts, complaints = [], [], []
        for clip, track in zip(clips, tracks, strict=True):
            complaint = track.complaint(self.least_frames)
            seen = np.flatnonzero(track.found) if complaint is None else np.zeros(0, dtype=int)
            matrices = umeyama(track.five[seen], target)
            crops.append(crop_faces(clip.frames[seen], matrices, self.recogniser.size))
            counts.append(len(seen))
            complaints.append(complaint)
        embeddings = np.split(self.recogniser.embed(np.concatenate(crops)), np.cumsum(counts)[:-1])
        return [
            Portrait(embeddings=rows, coverage=track.coverage, complaint=complaint)
            for rows, track, complaint in zip(embeddings, tracks, complaints, strict=True)
        ]
