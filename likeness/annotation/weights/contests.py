"""Judgements of clips as votes between the checkpoints that made them."""

from collections.abc import Iterable, Mapping

import numpy as np

from likeness.annotation.duels import OUTCOMES, Duels
from likeness.annotation.judgements import Judgement

COUNTED = frozenset({"question"})
"""Kinds that say something new of the clips: gold is known, a repeat is no second opinion."""


def contests(judgements: Iterable[Judgement], checkpoints: Mapping[str, str]) -> Duels | None:
    """Gather votes between two checkpoints, by rater and condition; None where there are none.

    Args:
        judgements: of one dimension.
        checkpoints: of each sample; a comparison of unknown samples, or of two of one checkpoint,
            says nothing here.

    """
    rows = []
    for one in judgements:
        makers = [checkpoints.get(sample) for sample in one.comparison.samples]
        if one.kind not in COUNTED or len(makers) != 2:
            continue
        first, second = makers
        if first is None or second is None or first == second:
            continue
        left, right = (first, second) if one.assignment.left == "first" else (second, first)
        rows.append((left, right, one.shown, one.rater, one.comparison.condition))
    if not rows:
        return None
    left, right, shown, raters, conditions = zip(*rows, strict=True)
    systems, codes = np.unique(np.array([*left, *right]), return_inverse=True)
    return Duels(
        systems=tuple(systems.tolist()),
        left=codes[: len(rows)],
        right=codes[len(rows) :],
        outcome=np.array([OUTCOMES[answer] for answer in shown]),
        both_bad=shown.count("both_bad"),
        raters=np.unique(np.array(raters), return_inverse=True)[1],
        items=np.unique(np.array(conditions), return_inverse=True)[1],
    )
