"""Does it move like this person? The manner of talking, as a reward."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.manner import FEATURES, MannerScale, manner, manner_distance
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import Movement
from likeness.rewards.packed import unpack
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

SCALE_KIND = "manner-scale"
SECONDS = 1.92
"""Of a window: 48 frames at 25 a second. What is shorter has too few nods and blinks to tell."""


@dataclass(frozen=True, kw_only=True)
class StyleScale:
    """How far apart manners lie, and from which distance they are rather two people's.

    Attributes:
        manner: how each feature differs within people and between them.
        middle: the distance at which same and different are as likely, > 0.
        width: how much farther makes different e times as likely, > 0.

    """

    manner: MannerScale
    middle: float
    width: float

    def similarity(self, distance: float) -> float:
        """Probability that two manners at a distance are one person's, at even odds: 0..1."""
        return float(expit((self.middle - distance) / self.width))


def load_style(path: Path) -> tuple[StyleScale, str]:
    """Read a fitted scale and the hash of its file."""
    packed = unpack(path, SCALE_KIND)
    settings = packed.settings
    scale = MannerScale(within=tuple(settings["within"]), between=tuple(settings["between"]))
    return StyleScale(manner=scale, middle=settings["middle"], width=settings["width"]), packed.hash


def usual_manner(movement: Movement, seconds: float = SECONDS) -> np.ndarray:
    """Mean manner of the windows of so many seconds, half a window apart: (36,).

    All of one length, so that a long clip is told from a short one by nothing but its noise. NaN
    for a clip that is shorter.
    """
    frames = round(seconds * movement.fps)
    starts = range(0, len(movement.eyes) - frames + 1, frames // 2)
    if not starts:
        return np.full(len(FEATURES), np.nan)
    table = np.stack([manner(movement.window(start, frames)) for start in starts])
    known = np.isfinite(table)
    counts = known.sum(axis=0)
    sums = np.where(known, table, 0).sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


class StyleReward:
    """Probability that clip and reference are moved by the same person, 0..1, at even odds.

    Args:
        motion: whose movements these are: faces are found and landmarks set once for both.
        scale: fitted on other people.
        scale_hash: hash of the file the scale came from; "" for a constant.

    """

    names = ("style",)
    version = "style-1"

    def __init__(self, motion: MotionReward, scale: StyleScale, scale_hash: str = "") -> None:
        self.motion = motion
        self.scale = scale
        parts = (motion.faces.detector.hash, motion.landmarker.hash, scale_hash)
        self.weights = "+".join(part for part in parts if part)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip's manner with its reference's."""
        progress(0, len(subjects), "style")
        scores = []
        for subject in subjects:
            pair = self._pair(subject)
            if isinstance(pair, str):
                scores.append(missing(self, subject, "style", pair))
                continue
            distance = manner_distance(*pair, self.scale.manner)
            scores.append(scored(self, subject, "style", self.scale.similarity(distance)))
        progress(len(subjects), len(subjects), "style")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Give the distance, and each feature's z: differences in units of a person's own."""
        pair = self._pair(subject)
        if isinstance(pair, str):
            return Detail()
        z = (pair[0] - pair[1]) / np.array(self.scale.manner.within)
        values = {f"z_{name}": float(v) for name, v in zip(FEATURES, z, strict=True)}
        return Detail(
            values=values | {"distance": manner_distance(*pair, self.scale.manner)},
        )

    def _pair(self, subject: Subject) -> tuple[np.ndarray, np.ndarray] | str:
        if subject.reference is None:
            return "no reference given"
        manners = []
        for clip, prefix in ((subject.clip, ""), (subject.reference, "reference: ")):
            movement = self.motion.movements([clip])[0]
            if isinstance(movement, str):
                return prefix + movement
            seconds = len(movement.eyes) / movement.fps
            if len(movement.eyes) < round(SECONDS * movement.fps):
                return f"{prefix}{seconds:.2f} seconds, a manner takes {SECONDS} to tell"
            manners.append(usual_manner(movement))
        return manners[0], manners[1]
