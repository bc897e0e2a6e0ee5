from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from likeness.rewards.cache import ClipCache
from likeness.store.clip import Clip

LINK_IOU = 0.5
LONGEST_GAP = 25
BYSTANDER = 0.5
BATCH = 512


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


class FaceDetector(Protocol):
    """Finds faces and their five points."""

    @property
    def hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    def detect(self, frames: np.ndarray) -> list[Faces]:
        """Look at (T, H, W, 3) uint8 RGB frames, one after the other."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceTrack:
    """The main face of a clip: the one with the greatest area over time.

    Attributes:
        boxes: (T, 4) float32 x0 y0 x1 y1 in pixels, NaN where it was not found.
        five: (T, 5, 2) float32, NaN where it was not found.
        confidence: (T,) float32, 0 where it was not found.
        people: (T,) int, faces in the frame at least half as wide as the main one.

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


class FaceFinder:
    """Detects and tracks, once a clip.

    Args:
        detector: what looks at frames.

    """

    def __init__(self, detector: FaceDetector) -> None:
        self.detector = detector
        self.tracks = ClipCache(self._track_all)

    def _track_all(self, clips: list[Clip]) -> list[FaceTrack]:
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            alike[clip.frames.shape[1:]].append(index)
        tracks: dict[int, FaceTrack] = {}
        for indices in alike.values():
            for group in _batches(indices, clips):
                frames = [clips[i].frames for i in group]
                # a long film alone is not copied
                faces = self.detector.detect(
                    np.concatenate(frames) if len(group) > 1 else frames[0]
                )
                start = 0
                for i in group:
                    tracks[i] = track(faces[start : start + len(clips[i])])
                    start += len(clips[i])
        return [tracks[i] for i in range(len(clips))]


def _batches(indices: list[int], clips: Sequence[Clip]) -> list[list[int]]:
    batches: list[list[int]] = [[]]
    held = 0
    for i in indices:
        if held and held + len(clips[i]) > BATCH:
            batches.append([])
            held = 0
        batches[-1].append(i)
        held += len(clips[i])
    return batches


def track(frames: Sequence[Faces]) -> FaceTrack:
    """Follow the main face through the frames of a clip.

    Detections of frames at most 25 apart are linked where their boxes overlap by an IoU above
    0.5 (the linking of Chung and Zisserman 2016); of the tracks, the one with the greatest summed
    area is the clip's face. Tracks that share no frame with it and lie where it lies continue it.
    """
    chains = _link(frames)
    boxes = np.full((len(frames), 4), np.nan, dtype=np.float32)
    five = np.full((len(frames), 5, 2), np.nan, dtype=np.float32)
    confidence = np.zeros(len(frames), dtype=np.float32)
    for chain in sorted(chains, key=lambda chain: -_summed_area(chain, frames)):
        if _continues(chain, frames, boxes):
            for t, i in chain:
                boxes[t], five[t] = frames[t].boxes[i], frames[t].five[i]
                confidence[t] = frames[t].confidence[i]
    return FaceTrack(boxes=boxes, five=five, confidence=confidence, people=_people(frames, boxes))


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
