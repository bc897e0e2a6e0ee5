"""Detections linked through time: the faces of a clip, each followed from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LINK_IOU = 0.5
LONGEST_GAP = 25
BYSTANDER = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Faces:
    """What a detector found in one frame, the surest first.

    Attributes:
        boxes: (n, 4) float32 x0 y0 x1 y1 in pixels.
        five: (n, 5, 2) float32 left eye, right eye, nose, left and right mouth corner, as they
            lie in the image.
        confidence: (n,) float32 in 0..1.

    """

    boxes: np.ndarray
    five: np.ndarray
    confidence: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """One face of a clip, frame by frame.

    Attributes:
        boxes: (T, 4) float32 x0 y0 x1 y1 in pixels, NaN where it was not found.
        five: (T, 5, 2) float32, NaN where it was not found.
        confidence: (T,) float32, 0 where it was not found.
        people: (T,) int, faces in the frame at least half as wide as this one.

    """

    boxes: np.ndarray
    five: np.ndarray
    confidence: np.ndarray
    people: np.ndarray

    @property
    def found(self) -> np.ndarray:
        """Which frames show the face: (T,) bool."""
        return np.isfinite(self.boxes[:, 0])

    @property
    def coverage(self) -> float:
        """Share of frames that show the face, 0..1."""
        return float(self.found.mean())

    def window(self, start: int, frames: int) -> "FaceTrack":
        """Cut out frames."""
        cut = slice(start, start + frames)
        return FaceTrack(
            boxes=self.boxes[cut],
            five=self.five[cut],
            confidence=self.confidence[cut],
            people=self.people[cut],
        )

    def complaint(self, least: int) -> str | None:
        """Say why this is no clip of one person in at least `least` frames, or None."""
        total, seen, crowd = len(self.boxes), int(self.found.sum()), int((self.people > 1).sum())
        if total < least:
            return f"too short: {total} frames, at least {least} needed"
        if seen == 0:
            return f"no face in any of {total} frames"
        if 2 * crowd > total:
            return f"two faces in {crowd} of {total} frames: crop to one person"
        if seen < least:
            return f"a face in only {seen} of {total} frames, at least {least} needed"
        return None


def track(frames: Sequence[Faces]) -> FaceTrack:
    """Follow the main face of a clip: the first of :func:`follow`, or one never found."""
    return next(iter(follow(frames)), None) or nobody(len(frames))


def follow(frames: Sequence[Faces]) -> list[FaceTrack]:
    """Follow every face through the frames of a clip, the one with the greatest area first.

    Detections of frames at most 25 apart are linked where their boxes overlap by an IoU above
    0.5 (the linking of Chung and Zisserman 2016). A face is a chain of such links, with those
    that share no frame with it and lie where it lies. Faces are ordered by the summed area of
    their longest chain.
    """
    chains = sorted(_link(frames), key=lambda chain: -_summed_area(chain, frames))
    tracks = []
    while chains:
        found, chains = _gather(chains, frames)
        tracks.append(found)
    return tracks


def nobody(frames: int) -> FaceTrack:
    """Stand for the face of a clip that shows none."""
    return FaceTrack(
        boxes=np.full((frames, 4), np.nan, dtype=np.float32),
        five=np.full((frames, 5, 2), np.nan, dtype=np.float32),
        confidence=np.zeros(frames, dtype=np.float32),
        people=np.zeros(frames, dtype=int),
    )


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4), x0 y0 x1 y1, broadcast."""
    corner = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    overlap = corner.clip(0).prod(-1)
    return overlap / (_area(a) + _area(b) - overlap)


def interpolate(track: FaceTrack) -> np.ndarray:
    """Fill the missing boxes linearly in time, the ends with the nearest: (T, 4) float64."""
    return fill_boxes(track.boxes)


def fill_boxes(boxes: np.ndarray) -> np.ndarray:
    """Fill the NaN rows of boxes (T, 4) linearly in time, the ends with the nearest: float64."""
    times = np.arange(len(boxes))
    known = times[np.isfinite(boxes[:, 0])]
    return np.stack([np.interp(times, known, boxes[known, k]) for k in range(4)], axis=1)


Chain = list[tuple[int, int]]


def _link(frames: Sequence[Faces]) -> list[Chain]:
    chains: list[Chain] = []
    for t, faces in enumerate(frames):
        free = set(range(len(faces.boxes)))
        for chain in chains:
            last_t, last_i = chain[-1]
            if t - last_t > LONGEST_GAP or not free:
                continue
            candidates = sorted(free)
            overlaps = iou(frames[last_t].boxes[last_i], faces.boxes[candidates])
            if overlaps.max() > LINK_IOU:
                best = candidates[int(overlaps.argmax())]
                chain.append((t, best))
                free.remove(best)
        chains.extend([(t, i)] for i in sorted(free))
    return chains


def _gather(chains: list[Chain], frames: Sequence[Faces]) -> tuple[FaceTrack, list[Chain]]:
    """Take the first chain with all that continue it, and give back the others."""
    found, others = nobody(len(frames)), []
    for chain in chains:
        if not _continues(chain, frames, found.boxes):
            others.append(chain)
            continue
        for t, i in chain:
            found.boxes[t], found.five[t] = frames[t].boxes[i], frames[t].five[i]
            found.confidence[t] = frames[t].confidence[i]
    return replace(found, people=_people(frames, found.boxes)), others


def _continues(chain: Chain, frames: Sequence[Faces], boxes: np.ndarray) -> bool:
    """Whether a chain is the main one, or goes on where the main one broke off."""
    known = np.flatnonzero(np.isfinite(boxes[:, 0]))
    if not len(known):
        return True
    times = np.array([t for t, _ in chain])
    if np.isfinite(boxes[times, 0]).any():
        return False
    distances = np.abs(times[:, None] - known[None])
    own, other = np.unravel_index(distances.argmin(), distances.shape)
    t, i = chain[own]
    return bool(iou(frames[t].boxes[i], boxes[known[other]]) > LINK_IOU / 2)


def _people(frames: Sequence[Faces], boxes: np.ndarray) -> np.ndarray:
    widths = boxes[:, 2] - boxes[:, 0]
    people = []
    for faces, width in zip(frames, widths, strict=True):
        others = faces.boxes[:, 2] - faces.boxes[:, 0]
        least = BYSTANDER * (width if np.isfinite(width) else others.max(initial=0))
        people.append(int((others >= least).sum()))
    return np.array(people)


def _summed_area(chain: Chain, frames: Sequence[Faces]) -> float:
    return float(sum(_area(frames[t].boxes[i]) for t, i in chain))


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[..., 2:] - boxes[..., :2]).clip(0).prod(-1)
