"""The defects a check plants, and the reward that is to tell each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from likeness.cli.checking.specimens import Specimen
from likeness.rewards import defects
from likeness.rewards.base import Subject
from likeness.store.clip import Clip
from likeness.testbed.defects import reencode, shift_audio

LOWER = frozenset({"sync_d", "sync_d_valid", "sync_offset"})
"""Rewards that are better when they are lower."""

TWO_SIDED = frozenset({"sync_offset"})
"""Rewards of which the distance from 0 counts."""

LATEST = 4  # frames of sound shift at full dose: the testbed's SyncNet looks 5 to either side

Plant = Callable[[Specimen, float, np.random.Generator], Subject | str]


@dataclass(frozen=True, kw_only=True)
class Known:
    """One defect.

    Attributes:
        own: the reward that is to tell it.
        what: what full dose is, in plain words.
        plant: spoils a specimen by a dose of 0..1, or says why it can't.
        steady: whether more of it is worse at every step; else only full dose must be worse than
            none.

    """

    own: str
    what: str
    plant: Plant
    steady: bool = True


def _clip(change: Callable[[Clip, float, np.random.Generator], Clip]) -> Plant:
    """Make a defect of what changes the clip alone."""
    return lambda specimen, dose, rng: replace(
        specimen.subject, clip=change(specimen.clip, dose, rng)
    )


def _of_frames(name: str) -> Plant:
    return _clip(lambda clip, dose, rng: defects.of_frames(clip, name, dose, rng))


def _other_sound(specimen: Specimen, dose: float, rng: np.random.Generator) -> Subject | str:
    if not len(specimen.clip.audio) or not len(specimen.other.audio):
        return "no sound"
    clip = defects.other_sound(specimen.clip, specimen.other, dose)
    return replace(specimen.subject, clip=clip)


def _other_face(specimen: Specimen, dose: float, rng: np.random.Generator) -> Subject | str:
    clip = defects.other_face(
        specimen.clip, specimen.five, specimen.other, specimen.other_five, dose
    )
    return replace(specimen.subject, clip=clip)


def _smooth_mouth(specimen: Specimen, dose: float, rng: np.random.Generator) -> Subject | str:
    clip = defects.smooth_mouth(specimen.clip, specimen.five, dose)
    return replace(specimen.subject, clip=clip)


def _other_background(specimen: Specimen, dose: float, rng: np.random.Generator) -> Subject | str:
    if specimen.mask is None or specimen.background is None:
        return "where the person ends is not known"
    clip = defects.other_background(specimen.clip, specimen.mask, specimen.background, dose)
    return replace(specimen.subject, clip=clip)


def _other_words(specimen: Specimen, dose: float, rng: np.random.Generator) -> Subject | str:
    if specimen.subject.prompt is None or specimen.other_prompt is None:
        return "no prompt given"
    prompt = defects.other_words(specimen.subject.prompt, specimen.other_prompt, dose)
    return replace(specimen.subject, prompt=prompt)


KNOWN: Mapping[str, Known] = {
    "blur": Known(own="quality", what="Gaussian of 2.5 pixels", plant=_of_frames("blur")),
    "noise": Known(own="quality", what="grain of 30 grey levels", plant=_of_frames("noise")),
    "jpeg": Known(own="quality", what="JPEG of quality 5", plant=_of_frames("compress")),
    "blocks": Known(own="quality", what="blocks of 8 pixels, 25 grey levels apart",
                    plant=_of_frames("blocks")),
    "colour": Known(own="text", what="hue turned by a sixth of the circle",
                    plant=_clip(lambda clip, dose, rng: defects.colour(clip, dose))),
    "frozen": Known(own="motion", what="all frames the first",
                    plant=_clip(lambda clip, dose, rng: defects.frozen(clip, dose))),
    "jitter": Known(own="motion", what="frames shifted at random, deviation 3 % of the side",
                    plant=_clip(defects.jittered)),
    "looped": Known(own="motion", what="the first fifth five times",
                    plant=_clip(lambda clip, dose, rng: defects.looped(clip, dose))),
    # the last step takes the seam away between what runs forwards and what runs backwards
    "backwards": Known(own="naturalness", what="the whole picture backwards", steady=False,
                       plant=_clip(lambda clip, dose, rng: defects.backwards(clip, dose))),
    "sound_shift": Known(
        own="sync_offset", what=f"sound {LATEST} frames late",
        plant=_clip(lambda clip, dose, rng: shift_audio(clip, round(LATEST * dose))),
    ),
    "other_sound": Known(own="sync_c", what="another person's sound", plant=_other_sound),
    "other_face": Known(own="identity_ref", what="another person's face", plant=_other_face),
    "smooth_mouth": Known(own="sync_c", what="mouth blurred by a quarter of the eyes' distance",
                          plant=_smooth_mouth),
    "other_background": Known(own="text", what="another scene behind the person",
                              plant=_other_background),
    "other_words": Known(own="text", what="another clip's prompt", plant=_other_words),
}  # fmt: skip
"""Defects by name."""

REENCODED = "h264"


def reencoded(specimen: Specimen, crf: int) -> Subject:
    """Pass the picture through H.264; sides are cut to even numbers for both."""
    clip = specimen.clip
    height, width = (side // 2 * 2 for side in clip.frames.shape[1:3])
    even = replace(clip, frames=clip.frames[:, :height, :width])
    return replace(specimen.subject, clip=reencode(even, crf))


def oriented(reward: str, value: float) -> float:
    """Turn a value so that higher is better."""
    folded = abs(value) if reward in TWO_SIDED else value
    return -folded if reward in LOWER else folded
