from collections.abc import Sequence
from pathlib import Path

import numpy as np

from likeness.rewards.faces import FaceFinder
from likeness.rewards.fit.loop import FitError
from likeness.rewards.fit.people import by_person
from likeness.rewards.landmarks import Landmarker
from likeness.rewards.motion import SCALE_KIND, MotionScale
from likeness.rewards.movement import Movement, average_statistics
from likeness.rewards.packed import pack
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent


def fit_motion(
    clips: Sequence[Clip],
    faces: FaceFinder,
    landmarker: Landmarker,
    path: Path,
    progress: Progress = silent,
) -> None:
    """Measure how far the statistics of true clips of one person differ, and write it down.

    Args:
        clips: true clips of one length, at least two of each identity.
        faces: finds the faces.
        landmarker: finds their points.
        path: file to write.
        progress: told of each clip.

    """

    def whole(movement: Movement) -> np.ndarray:
        return average_statistics(movement, len(movement.eyes))

    rows = by_person(clips, faces, landmarker, whole, progress)
    scale = usual_differences([np.stack(group) for group in rows if len(group) > 1])
    pack(path, SCALE_KIND, {}, {"deviations": list(scale.deviations)})


def usual_differences(people: list[np.ndarray]) -> MotionScale:
    """RMS differences of statistics within people; each (clips, 7), NaN where not known."""
    pairs = [group[i] - group[j] for group in people for i in range(len(group)) for j in range(i)]
    if not pairs:
        raise FitError("motion needs two clips of at least one person")
    table = np.stack(pairs)
    deviations = np.sqrt(np.nanmean(table**2, axis=0))
    return MotionScale(deviations=tuple(float(d) for d in deviations))
