"""Soft labels: how likely each side of a comparison is the better one, by all who judged it."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from likeness.annotation.judgements import Judgement
from likeness.annotation.labels import Labels
from likeness.annotation.weights.one_coin import Prior, one_coin
from likeness.store.judgements import Comparison
from likeness.store.records import Pair

Ties = Literal["half", "out"]

REVIEWER = 0.95
"""How far a reviewer's word is believed."""

_LEAST = 1e-6  # of a chance, so that its odds are finite
_DIGITS = 6
_LEVEL = {"first": "first", "second": "second", "tie": "tie", "both_bad": "tie"}


@dataclass(frozen=True, kw_only=True)
class SoftLabel:
    """What is believed of one comparison in one dimension.

    Attributes:
        comparison: the question.
        dimension: what was asked.
        first: chance that the first is better, 0..1.
        second: likewise.
        tie: chance that neither is; both bad counts as a tie here. 0 where ties are left out.
        votes: how many judgements it is made of.
        by: `raters`, or `review` where reviewers decided.

    """

    comparison: Comparison
    dimension: str
    first: float
    second: float
    tie: float
    votes: int
    by: Literal["raters", "review"]


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """Pairs, and what gave none.

    Attributes:
        pairs: of soft labels that favour a side.
        left_out: how many labels gave no pair, by reason.

    """

    pairs: tuple[Pair, ...]
    left_out: dict[str, int]


def labels_of(judgements: Iterable[Judgement]) -> Labels | None:
    """Make labels of one dimension's judgements, by clip; None where there are none.

    Only questions count: gold is known, and a repeat is no second opinion.
    """
    rows = [
        (one.rater, one.comparison.id, one.said) for one in judgements if one.kind == "question"
    ]
    if not rows:
        return None
    raters, items, said = (np.array(column) for column in zip(*rows, strict=True))
    rater_names, rater = np.unique(raters, return_inverse=True)
    item_names, item = np.unique(items, return_inverse=True)
    values, value = np.unique(said, return_inverse=True)
    # Of a rater's two views of one comparison the first counts.
    _, once = np.unique(rater * len(item_names) + item, return_index=True)
    return Labels(
        raters=tuple(rater_names.tolist()),
        items=tuple(item_names.tolist()),
        values=values,
        rater=rater[once],
        item=item[once],
        value=value[once],
        level="nominal",
    )


def soft_labels(
    judgements: Sequence[Judgement], dimension: str, ties: Ties = "half"
) -> list[SoftLabel]:
    """Believe of each question what its raters' answers and abilities make likely.

    Where reviewers judged it, their answers decide, whatever the raters said.

    Args:
        judgements: of raters who are trusted, all dimensions.
        dimension: the one that is wanted.
        ties: `half`, or `out` to leave votes for neither out before anything is computed.

    """
    mine = [
        one
        for one in judgements
        if one.dimension == dimension and (ties == "half" or one.said in {"first", "second"})
    ]
    reviewed: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for one in mine:
        if one.kind == "review":
            reviewed[_pair(one.comparison)].append(_LEVEL[one.said])
    asked = {one.comparison.id: one.comparison for one in mine if one.kind == "question"}
    votes = Counter(one.comparison.id for one in mine if one.kind == "question")
    found = []
    for name, believed in _believed(mine).items():
        words = reviewed.get(_pair(asked[name]))
        chances = _of_reviewers(words, ties) if words else believed
        first, second, tie = (round(chances[side], _DIGITS) for side in ("first", "second", "tie"))
        found.append(
            SoftLabel(
                comparison=asked[name],
                dimension=dimension,
                first=first,
                second=second,
                tie=tie,
                votes=len(words) if words else votes[name],
                by="review" if words else "raters",
            )
        )
    return found


def pairs_of(labels: Sequence[SoftLabel], campaign: str, *, by_chance: bool = False) -> Weighed:
    """Turn soft labels into pairs.

    The winner is the likelier side; the margin is the logarithm of how many times likelier, and
    the weight how much likelier it is, P(winner) - P(loser). `scores` keeps the soft label: `label`
    is P(winner) with half of P(tie).

    Args:
        labels: of one campaign.
        campaign: its name.
        by_chance: whether weights are multiplied by the inverse of the chance with which the
            question was drawn, divided by the mean of these inverses: what was drawn more often
            then counts as it would in a random draw.

    """
    inverse = [1 / one.comparison.chance for one in labels]
    mean = sum(inverse) / len(inverse) if inverse else 1.0
    found, left_out = [], Counter[str]()
    for one, times in zip(labels, inverse, strict=True):
        samples = one.comparison.samples
        if len(samples) != 2:
            left_out["of clips that are no samples"] += 1
        elif one.first == one.second:
            left_out["as likely one way as the other"] += 1
        else:
            factor = times / mean if by_chance else 1.0
            found.append(_pair_of(one, samples, campaign, factor))
    return Weighed(pairs=tuple(found), left_out=dict(left_out))


def _believed(judgements: Sequence[Judgement]) -> dict[str, dict[str, float]]:
    """Chances of first, second and tie by comparison."""
    labels = labels_of(judgements)
    if labels is None:
        return {}
    sides = np.array(["first", "second", "tie"])
    codes = np.array([int(np.flatnonzero(sides == _LEVEL[str(v)])[0]) for v in labels.values])
    value = codes[labels.value]
    neither = float((value == 2).mean())
    kept = sides if neither else sides[:2]
    # Which clip is the first says nothing, so both sides are as likely beforehand.
    shares = np.array([(1 - neither) / 2, (1 - neither) / 2, neither])[: len(kept)]
    found = one_coin(
        Labels(
            raters=labels.raters,
            items=labels.items,
            values=kept,
            rater=labels.rater,
            item=labels.item,
            value=value,
            level="nominal",
        ),
        Prior(shares=shares),
    )
    none = dict.fromkeys(sides.tolist(), 0.0)
    return {
        name: none | dict(zip(kept.tolist(), row, strict=True))
        for name, row in zip(labels.items, found.values.tolist(), strict=True)
    }


def _of_reviewers(words: Sequence[str], ties: Ties) -> dict[str, float]:
    sides = ("first", "second", "tie") if ties == "half" else ("first", "second")
    rest = (1 - REVIEWER) / (len(sides) - 1)
    shares = {side: words.count(side) / len(words) for side in sides}
    found = {side: share * REVIEWER + (1 - share) * rest for side, share in shares.items()}
    return {"tie": 0.0} | found


def _pair(comparison: Comparison) -> tuple[str, str, str]:
    return comparison.condition, comparison.first, comparison.second


def _pair_of(one: SoftLabel, samples: tuple[str, ...], campaign: str, factor: float) -> Pair:
    ahead = one.first > one.second
    winner, loser = samples if ahead else samples[::-1]
    high, low = max(one.first, one.second), min(one.first, one.second)
    return Pair(
        condition=one.comparison.condition,
        winner=winner,
        loser=loser,
        margin=round(math.log(max(high, _LEAST) / max(low, _LEAST)), _DIGITS),
        weight=round((high - low) * factor, _DIGITS),
        source="votes",
        scores={
            "campaign": campaign,
            "comparison": one.comparison.id,
            "dimension": one.dimension,
            "label": round(high + one.tie / 2, _DIGITS),
            "tie": one.tie,
            "votes": one.votes,
            "by": one.by,
        },
    )
