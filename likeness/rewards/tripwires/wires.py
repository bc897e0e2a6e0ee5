from collections.abc import Sequence

import numpy as np

from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.coupling import LOUDNESS_POWER
from likeness.rewards.motion import MotionReward
from likeness.rewards.movement import FLOOR, Movement
from likeness.rewards.tripwires.pictures import Pictures, look, sharpness
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

PICTURES = 512
"""Clips whose faces are kept: 128 KiB each at most."""

ONE_SIDED = frozenset({"wire_repeats", "wire_colour"})
"""Wires of which less is never a fault."""


class Tripwires:
    """What a reward is bought with when it is hacked. No wire is a term of a training reward.

    - ``wire_movement``: mean log step of head, eyes and mouth from frame to frame, less the
      reference's; falls when the face freezes, rises when it trembles.
    - ``wire_mouth``: log of the mouth's mean opening by how much of the time is loud, less the
      reference's; rises when the mouth is louder than the voice.
    - ``wire_sharpness``: log high by low detail of the face, less the reference's, both at the
      size of the smaller; rises with over-sharpening and grain, falls with blur.
    - ``wire_repeats``: likeness of the picture to itself moved, -1..1; rises for grids of faces.
    - ``wire_faces``: faces a frame, of at least half the main one's width; 1 is right. More are
      more people, less is a face that can't be found, as the small ones of a grid.
    - ``wire_colour``: distance of the face's mean a*, b* from the reference's.
    - ``wire_brightness``: mean L* of the face less the reference's.

    Limits of true clips are in ``LIMITS``.

    Args:
        motion: whose movements these are: faces are found and landmarks set once for both.

    """

    names = (
        "wire_movement",
        "wire_mouth",
        "wire_sharpness",
        "wire_repeats",
        "wire_faces",
        "wire_colour",
        "wire_brightness",
    )
    version = "tripwires-1"

    def __init__(self, motion: MotionReward) -> None:
        self.motion = motion
        self.weights = "+".join((motion.faces.detector.hash, motion.landmarker.hash))
        self.pictures = ClipCache(self._look, capacity=PICTURES)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject, each with all names in order."""
        progress(0, len(subjects), "tripwires")
        scores = [score for subject in subjects for score in self._measure(subject)]
        progress(len(subjects), len(subjects), "tripwires")
        return scores

    def _measure(self, subject: Subject) -> list[Score]:
        mine = self.pictures([subject.clip])[0]
        people = self.motion.faces.tracks([subject.clip])[0].people
        values: dict[str, float | str] = {
            "wire_repeats": mine.repeats,
            "wire_faces": float(people.mean()),
        }
        if subject.reference is None:
            values |= dict.fromkeys(set(self.names) - set(values), "no reference given")
        else:
            theirs = self.pictures([subject.reference])[0]
            values |= _moving(*self.motion.movements([subject.clip, subject.reference]))
            values |= _looking(mine, theirs)
        return [
            missing(self, subject, name, value)
            if isinstance(value := values[name], str)
            else scored(self, subject, name, value)
            for name in self.names
        ]

    def _look(self, clips: list[Footage]) -> list[Pictures]:
        tracks = self.motion.faces.tracks(clips)
        return [look(clip, track) for clip, track in zip(clips, tracks, strict=True)]


def liveliness(movement: Movement) -> float:
    """Mean log step of head, turn, eyes and mouth a second: each frozen frame pulls it down."""
    parts = (movement.head, movement.turn, movement.eyes[:, None], movement.mouth[:, None])
    steps = np.diff(np.concatenate(parts, axis=1), axis=0) * movement.fps
    return float(np.log(np.linalg.norm(steps, axis=1) + 10 * FLOOR).mean())


def mouth_gain(movement: Movement) -> float:
    """Log mean opening by the mean of the heard loudness over its RMS; NaN without sound.

    The volume of the recording drops out: what stays is how much of the time is speech.
    """
    if not np.isfinite(movement.loudness).all() or movement.loudness.std() < FLOOR:
        return float("nan")
    heard = np.exp(LOUDNESS_POWER * movement.loudness)
    talk = heard.mean() / np.sqrt((heard**2).mean())
    return float(np.log((movement.mouth.mean() + FLOOR) / talk))


def _moving(mine: Movement | str, theirs: Movement | str) -> dict[str, float | str]:
    names = ("wire_movement", "wire_mouth")
    if isinstance(mine, str):
        return dict.fromkeys(names, mine)
    if isinstance(theirs, str):
        return dict.fromkeys(names, f"reference: {theirs}")
    if mine.fps != theirs.fps:
        reason = f"{mine.fps:g} frames a second, the reference has {theirs.fps:g}"
        return dict.fromkeys(names, reason)
    gain = mouth_gain(mine) - mouth_gain(theirs)
    return {
        "wire_movement": liveliness(mine) - liveliness(theirs),
        "wire_mouth": gain if np.isfinite(gain) else "no sound, or it is silent",
    }


def _looking(mine: Pictures, theirs: Pictures) -> dict[str, float | str]:
    names = ("wire_sharpness", "wire_colour", "wire_brightness")
    for pictures, whose in ((mine, "clip"), (theirs, "reference")):
        if not len(pictures.faces):
            return dict.fromkeys(names, f"no face in the {whose}")
    side = min(mine.faces.shape[1], theirs.faces.shape[1])
    gap = mine.colour - theirs.colour
    return {
        "wire_sharpness": sharpness(mine.faces, side) - sharpness(theirs.faces, side),
        "wire_colour": float(np.hypot(gap[1], gap[2])),
        "wire_brightness": float(gap[0]),
    }
