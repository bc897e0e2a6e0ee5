from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from likeness.rewards.faces import FaceFinder
from likeness.rewards.fit.loop import FitError
from likeness.rewards.fit.people import by_person
from likeness.rewards.landmarks import Landmarker
from likeness.rewards.manner import MannerScale, manner_distance
from likeness.rewards.packed import pack
from likeness.rewards.style import SCALE_KIND, StyleScale, usual_manner
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent


def fit_manner(
    clips: Sequence[Clip],
    faces: FaceFinder,
    landmarker: Landmarker,
    path: Path,
    progress: Progress = silent,
) -> None:
    """Learn from true clips of named people what tells their manners apart, and write it down.

    Args:
        clips: true clips of 1.92 seconds or more, as many of each identity, at least two.
        faces: finds the faces.
        landmarker: finds their points.
        path: file to write.
        progress: told of each clip.

    """
    rows = by_person(clips, faces, landmarker, usual_manner, progress)
    most = max(map(len, rows), default=0)
    scale = fit_style(np.array([group for group in rows if len(group) == most]))
    pack(
        path, SCALE_KIND, {}, asdict(scale.manner) | {"middle": scale.middle, "width": scale.width}
    )


def fit_style(manners: np.ndarray) -> StyleScale:
    """Fit on (P, S, D) manners of P people in S takes.

    The logistic curve of the distance is the one of greatest likelihood, all pairs of one person
    weighing as much as all pairs of two. The distances are of people that the scale was fitted
    to: take many.
    """
    if manners.ndim != 3 or manners.shape[0] < 2 or manners.shape[1] < 2:
        raise FitError("style needs two clips of at least two people")
    scale = MannerScale.fit(manners)
    people, takes = manners.shape[:2]
    same, different = [], []
    for (i, a), (j, b) in product(product(range(people), range(takes)), repeat=2):
        if a < b:
            distance = manner_distance(manners[i, a], manners[j, b], scale)
            (same if i == j else different).append(distance)
    middle, width = _logistic(np.array(same), np.array(different))
    return StyleScale(manner=scale, middle=middle, width=width)


def _logistic(same: np.ndarray, different: np.ndarray) -> tuple[float, float]:
    """Middle and width of 1 / (1 + exp((d - middle) / width)) that tell the two apart best."""

    def loss(free: np.ndarray) -> float:
        middle, width = free[0], np.exp(free[1])
        return float(
            np.logaddexp(0, (same - middle) / width).mean()
            + np.logaddexp(0, (middle - different) / width).mean()
        )

    start = np.array([(np.median(same) + np.median(different)) / 2, np.log(0.3)])
    found = minimize(loss, start, method="Nelder-Mead")
    return float(found.x[0]), float(np.exp(found.x[1]))
