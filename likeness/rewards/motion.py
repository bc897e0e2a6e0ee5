"""Whether a clip moves as the person does.

Smoothness alone rewards freezing (VBench gives a still about 1), so each statistic of a clip is
compared, to both sides, with the same statistic of the same person's reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.faces import FaceFinder
from likeness.rewards.landmarks import Landmarker
from likeness.rewards.movement import (
    STATISTICS,
    Movement,
    average_statistics,
    curves,
    movement_of,
)
from likeness.rewards.packed import unpack
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

LEAST_FRAMES = 20
SCALE_KIND = "motion-scale"


@dataclass(frozen=True, kw_only=True)
class MotionScale:
    """How far each statistic of a true clip lies from the same person's reference.

    Attributes:
        deviations: RMS difference of each statistic between true clips of one person, > 0.

    """

    deviations: tuple[float, ...]


RECORDED = MotionScale(deviations=(0.5, 0.35, 1.0, 0.3, 0.6, 0.4, 0.2))
"""For recorded people: from windows of 1 s of the same recordings, eight people."""


def load_scale(path: Path) -> tuple[MotionScale, str]:
    """Read a fitted scale and the hash of its file."""
    packed = unpack(path, SCALE_KIND)
    return MotionScale(deviations=tuple(packed.settings["deviations"])), packed.hash


def naturalness(clip: np.ndarray, reference: np.ndarray, scale: MotionScale) -> float:
    """Geometric mean of 1 / (1 + (z / 2)^2) over the statistics, 0..1.

    Args:
        clip: (7,) statistics, NaN where one can't be told.
        reference: (7,).
        scale: z is the difference by its deviation.

    """
    z = differences(clip, reference, scale)
    return float(np.exp(-np.nanmean(np.log1p((z / 2) ** 2))))


def differences(clip: np.ndarray, reference: np.ndarray, scale: MotionScale) -> np.ndarray:
    """How many usual differences each statistic (7,) lies above the reference's (7,); NaN stays."""
    return (clip - reference) / np.array(scale.deviations)


class MotionReward:
    """Naturalness of motion against the reference, 0..1, higher is more like the person.

    Args:
        faces: finds the face of each frame.
        landmarker: finds its points.
        scale: what differences are usual.
        scale_hash: hash of the file the scale came from; "" for a constant.

    """

    names = ("motion",)
    version = "motion-1"

    def __init__(
        self, faces: FaceFinder, landmarker: Landmarker, scale: MotionScale, scale_hash: str = ""
    ) -> None:
        self.faces = faces
        self.landmarker = landmarker
        self.scale = scale
        self.weights = "+".join(
            part for part in (faces.detector.hash, landmarker.hash, scale_hash) if part
        )
        self.movements = ClipCache(self._movements)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its reference, over windows as long as the shorter of them."""
        progress(0, len(subjects), "motion")
        mine = self.movements([s.clip for s in subjects])
        referenced = [s.reference for s in subjects if s.reference is not None]
        theirs = iter(self.movements(referenced))
        scores = [
            self._compare(subject, movement, next(theirs) if subject.reference else None)
            for subject, movement in zip(subjects, mine, strict=True)
        ]
        progress(len(subjects), len(subjects), "motion")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Give the statistics, and by `z_` names how far they lie from the reference's.

        The curves are those of the clip: see ``curves``. Without a reference, its statistics and
        z are NaN; without a face in the clip there is nothing.
        """
        mine = self.movements([subject.clip])[0]
        if isinstance(mine, str):
            return Detail()
        theirs = self.movements([subject.reference])[0] if subject.reference else "none"
        frames, b = len(mine.eyes), np.full(len(STATISTICS), np.nan)
        if not isinstance(theirs, str) and theirs.fps == mine.fps:
            frames = min(frames, len(theirs.eyes))
            b = average_statistics(theirs, frames)
        a = average_statistics(mine, frames)
        z = differences(a, b, self.scale)
        values = {
            name: float(value)
            for prefix, row in (("", a), ("reference_", b), ("z_", z))
            for name, value in zip((prefix + s for s in STATISTICS), row, strict=True)
        }
        return Detail(values=values, curves=curves(mine))

    def _compare(
        self, subject: Subject, mine: Movement | str, theirs: Movement | str | None
    ) -> Score:
        if theirs is None:
            return missing(self, subject, "motion", "no reference given")
        if isinstance(mine, str):
            return missing(self, subject, "motion", mine)
        if isinstance(theirs, str):
            return missing(self, subject, "motion", f"reference: {theirs}")
        if mine.fps != theirs.fps:
            reason = f"{mine.fps:g} frames a second, the reference has {theirs.fps:g}"
            return missing(self, subject, "motion", reason)
        frames = min(len(mine.eyes), len(theirs.eyes))
        a, b = average_statistics(mine, frames), average_statistics(theirs, frames)
        return scored(self, subject, "motion", naturalness(a, b, self.scale))

    def _movements(self, clips: list[Footage]) -> list[Movement | str]:
        return [
            track.complaint(LEAST_FRAMES) or movement_of(clip, track, self.landmarker)
            for clip, track in zip(clips, self.faces.tracks(clips), strict=True)
        ]
