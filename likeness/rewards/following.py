"""Whether a clip moves as it was asked to: the closed loop of the movement stream."""

from collections.abc import Mapping, Sequence

import numpy as np

from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import COEFFICIENTS, Movement, coefficients
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

STILL = (0.01, 0.01, 0.005, 0.01, 0.01, 0.01, 0.005)
"""Deviations of each coefficient under which it is said not to move, in its own units."""
LEAST = 8  # frames that a correlation is of


def agreement(asked: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Correlate each coefficient over time: (F, 7) twice to (7,) in -1..1.

    Over the frames that were asked for, those of NaN left out. NaN where what was asked for doesn't
    move, or in fewer than 8 frames; 0 where the clip stands still and should not.
    """
    frames = min(len(asked), len(measured))
    asked, measured = asked[:frames].astype(np.float64), measured[:frames].astype(np.float64)
    known = np.isfinite(asked).all(1) & np.isfinite(measured).all(1)
    if known.sum() < LEAST:
        return np.full(asked.shape[1], np.nan)
    a, b = asked[known] - asked[known].mean(0), measured[known] - measured[known].mean(0)
    spread = np.sqrt((a**2).mean(0) * (b**2).mean(0))
    together = (a * b).mean(0) / np.where(spread > 0, spread, 1)
    return np.where(a.std(0) > np.array(STILL), together, np.nan)


class FollowReward:
    """Correlation of the movement asked for with that measured in the clip, -1..1.

    ``movement_follow`` is the mean over the coefficients that were asked to move; one name more is
    there for each of them.

    Args:
        motion: whose movements these are: faces are found and landmarks set once for both.
        asked: (F, 7) coefficients by the clip's name in scores; see ``coefficients``.

    """

    names = ("movement_follow", *(f"movement_follow_{name}" for name in COEFFICIENTS))
    version = "movement-follow-1"

    def __init__(self, motion: MotionReward, asked: Mapping[str, np.ndarray]) -> None:
        self.motion = motion
        self.asked = asked
        self.weights = "+".join((motion.faces.detector.hash, motion.landmarker.hash))

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject, each with all names in order."""
        progress(0, len(subjects), "movement")
        movements = self.motion.movements([subject.clip for subject in subjects])
        scores = [
            score
            for subject, movement in zip(subjects, movements, strict=True)
            for score in self._compare(subject, movement)
        ]
        progress(len(subjects), len(subjects), "movement")
        return scores

    def _compare(self, subject: Subject, movement: Movement | str) -> list[Score]:
        asked = self.asked.get(subject.key)
        reason = movement if isinstance(movement, str) else None
        if asked is None:
            reason = "no movement was asked for"
        if reason is not None or isinstance(movement, str) or asked is None:
            return [missing(self, subject, name, str(reason)) for name in self.names]
        each = agreement(asked, coefficients(movement))
        told = each[np.isfinite(each)]
        values = [float(told.mean()) if len(told) else float("nan"), *each.tolist()]
        still = "what was asked for does not move, or in too few frames"
        return [
            scored(self, subject, name, value)
            if np.isfinite(value)
            else missing(self, subject, name, still)
            for name, value in zip(self.names, values, strict=True)
        ]
