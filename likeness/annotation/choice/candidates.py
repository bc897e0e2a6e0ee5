"""Pairs of samples of one condition that could be asked about."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from likeness.store.errors import LikenessError
from likeness.store.records import Sample, Score


class ChoiceError(LikenessError):
    """Pairs that can't be chosen or dealt as asked."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One side of a pair.

    Attributes:
        sample: id.
        clip: id.
        checkpoint: id of what made it.
        scores: value by reward, of those that have one.

    """

    sample: str
    clip: str
    checkpoint: str
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Two samples of one condition; the ids' order, which says nothing, makes one the first."""

    condition: str
    first: Contender
    second: Contender


def candidates(samples: Iterable[Sample], scores: Iterable[Score]) -> tuple[Candidate, ...]:
    """Pair all samples of each condition whose clips differ, in the order of their ids.

    Args:
        samples: of any conditions.
        scores: current ones; a score of another condition than the sample's is passed over.

    """
    values: dict[tuple[str, str | None], dict[str, float]] = defaultdict(dict)
    for score in scores:
        if not math.isnan(score.value):
            values[score.clip, score.condition][score.reward] = score.value
    of_condition: dict[str, dict[str, Contender]] = defaultdict(dict)
    for sample in samples:
        contender = Contender(
            sample=sample.id,
            clip=sample.clip,
            checkpoint=sample.checkpoint,
            scores=values[sample.clip, None] | values[sample.clip, sample.condition],
        )
        of_condition[sample.condition][sample.id] = contender
    return tuple(
        Candidate(condition=condition, first=a, second=b)
        for condition, contenders in sorted(of_condition.items())
        for (_, a), (_, b) in combinations(sorted(contenders.items()), 2)
        if a.clip != b.clip
    )
