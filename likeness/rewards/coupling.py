"""Whether the mouth goes with the sound, told from the opening of the lips alone.

The sound has a direction in time: a clip played backwards under it keeps every amount and spectrum
of its movement, and loses this.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import FLOOR, LAGS, Movement
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

LOUDNESS_POWER = 0.6
"""Loudness as it is heard grows with the 0.6th power of the sound's amplitude (Stevens 1957)."""


def correlations(movement: Movement) -> np.ndarray:
    """Correlate mouth opening and heard loudness at -2..2 frames of lag: (5,) in -1..1.

    A positive lag is a mouth that comes late. NaN without sound that varies; 0 for a still mouth.
    """
    heard = np.exp(LOUDNESS_POWER * movement.loudness)
    frames = len(heard)
    return np.array(
        [
            _correlation(
                movement.mouth[max(0, lag) : frames + min(0, lag)],
                heard[max(0, -lag) : frames - max(0, lag)],
            )
            for lag in LAGS
        ]
    )


def mouth_coupling(movement: Movement) -> float:
    """Correlation at the best lag, 0..1, what is below 0 as 0; NaN without sound that varies."""
    best = correlations(movement).max()
    return float(np.clip(best, 0, 1)) if np.isfinite(best) else float("nan")


class CouplingReward:
    """How the mouth goes with the sound, and whether the whole face moves as the person does.

    ``mouth_coupling`` is 0..1 and needs no reference. ``naturalness`` is the geometric mean of it
    and ``motion``, 0..1: it falls for a clip that is frozen, looped, trembling, played backwards
    or under another's speech.

    Args:
        motion: whose movements these are: faces are found and landmarks set once for both.

    """

    names = ("mouth_coupling", "naturalness")
    version = "coupling-1"

    def __init__(self, motion: MotionReward) -> None:
        self.motion = motion
        self.weights = motion.weights

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject, both names in order."""
        progress(0, len(subjects), "mouth coupling")
        movements = self.motion.movements([subject.clip for subject in subjects])
        motions = self.motion.score(subjects)
        scores = [
            score
            for subject, movement, motion in zip(subjects, movements, motions, strict=True)
            for score in self._couple(subject, movement, motion)
        ]
        progress(len(subjects), len(subjects), "mouth coupling")
        return scores

    def detail(self, subject: Subject) -> Detail:
        """Give the correlation at each lag in frames, as `lag_-2`, and the best lag."""
        movement = self.motion.movements([subject.clip])[0]
        if isinstance(movement, str):
            return Detail()
        rows = correlations(movement)
        best = float(LAGS[int(rows.argmax())]) if np.isfinite(rows).all() else float("nan")
        values = {f"lag_{lag}": float(row) for lag, row in zip(LAGS, rows, strict=True)}
        return Detail(values=values | {"best_lag": best})

    def _couple(self, subject: Subject, movement: Movement | str, motion: Score) -> list[Score]:
        coupling = movement if isinstance(movement, str) else mouth_coupling(movement)
        if isinstance(coupling, str):
            return [missing(self, subject, name, coupling) for name in self.names]
        if np.isnan(coupling):
            reason = "no sound, or it is silent: nothing for the mouth to go with"
            return [missing(self, subject, name, reason) for name in self.names]
        first, second = self.names
        natural = (
            missing(self, subject, second, motion.reason)
            if motion.reason
            else scored(self, subject, second, sqrt(motion.value * coupling))
        )
        return [scored(self, subject, first, coupling), natural]


def _correlation(mouth: np.ndarray, heard: np.ndarray) -> float:
    if not np.isfinite(heard).all() or heard.std() < FLOOR * heard.mean():
        return float("nan")
    if mouth.std() < FLOOR:
        return 0.0
    return float(np.corrcoef(mouth, heard)[0, 1])
