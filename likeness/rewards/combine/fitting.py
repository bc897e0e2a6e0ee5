"""The scales of a combination's terms, from a table of scores."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from likeness.rewards.combine.combination import Combination, CombinationError
from likeness.store.records import Score

Scale = Literal["deviation", "percentiles"]


def fit_scales(
    combination: Combination,
    scores: Iterable[Score],
    scale: Scale = "deviation",
    percentiles: tuple[float, float] = (5.0, 95.0),
) -> Combination:
    """Set `zero` and `one` of each weighted term by the scores of many clips.

    Weights, limits and signs stay: a term whose `one` was under its `zero` keeps less as better.

    Args:
        combination: what to rescale.
        scores: of clips as they will be combined; NaN is left out.
        scale: 0 at the mean and 1 a deviation above it, or 0 and 1 at two percentiles.
        percentiles: which, of 100.

    Raises:
        CombinationError: a term has fewer than two known scores, or they are all alike.

    """
    table: Mapping[str, list[float]] = defaultdict(list)
    for score in scores:
        if not np.isnan(score.value):
            table[score.reward].append(score.value)
    terms = {}
    for name, term in combination.terms.items():
        values = np.array(table.get(name, []))
        if term.weight == 0:
            terms[name] = term
            continue
        if len(values) < 2 or values.std() == 0:
            raise CombinationError(
                f"combine.terms.{name} can't be scaled by {len(values)} scores that don't differ; "
                "give those of more clips"
            )
        low, high = _ends(values, scale, percentiles)
        if term.one < term.zero:
            low, high = (high, low) if scale == "percentiles" else (low, 2 * low - high)
        terms[name] = replace(term, zero=low, one=high)
    return replace(combination, terms=terms)


def _ends(
    values: np.ndarray, scale: Scale, percentiles: tuple[float, float]
) -> tuple[float, float]:
    if scale == "deviation":
        mean = float(values.mean())
        return mean, mean + float(values.std(ddof=1))
    low, high = np.percentile(values, percentiles)
    return float(low), float(high)
