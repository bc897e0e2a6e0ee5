"""What true clips of people show, by person: what scales are fitted on."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from likeness.rewards.faces import FaceFinder
from likeness.rewards.landmarks import Landmarker
from likeness.rewards.movement import Movement, movement_of
from likeness.store.clip import Clip
from likeness.store.progress import Progress


def by_person(
    clips: Sequence[Clip],
    faces: FaceFinder,
    landmarker: Landmarker,
    sum_up: Callable[[Movement], np.ndarray],
    progress: Progress,
) -> list[list[np.ndarray]]:
    """Sum up how each clip moves, by identity; clips without a face are left out.

    Args:
        clips: true clips of named people.
        faces: finds the faces.
        landmarker: finds their points.
        sum_up: a movement in numbers.
        progress: told of each clip.

    """
    rows: dict[str | None, list[np.ndarray]] = defaultdict(list)
    for done, (clip, track) in enumerate(zip(clips, faces.tracks(clips), strict=True), 1):
        if track.complaint(2) is None:
            rows[clip.identity].append(sum_up(movement_of(clip, track, landmarker)))
        progress(done, len(clips), "movement")
    return list(rows.values())
