"""What a quality model found in the frames that it looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from likeness.store.clip import Footage

MOST_FRAMES = 8


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """Ratings of some frames of a clip.

    Attributes:
        frames: which were looked at, ascending.
        ratings: 1 (bad) .. 5 of each.
        values: further numbers of the clip, by name.

    """

    frames: Sequence[int]
    ratings: Sequence[float]
    values: Mapping[str, float] = field(default_factory=dict)


def sampled(clip: Footage) -> list[int]:
    """Choose at most 8 frames, a second or more apart, from the first on."""
    step = max(round(clip.fps), -(-len(clip) // MOST_FRAMES))
    return list(range(0, len(clip), step))


def rate_looks(looks: Looks | str) -> float | str:
    """Average the ratings, or pass the reason on."""
    return looks if isinstance(looks, str) else float(np.mean(looks.ratings))
