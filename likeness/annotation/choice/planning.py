"""A campaign as rows: its comparisons, and each rater's views of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from likeness.annotation.choice.candidates import Candidate, ChoiceError
from likeness.annotation.choice.dealing import (
    Question,
    Shares,
    opaque,
    overlapping,
    queue,
    sides,
)
from likeness.annotation.choice.drawing import draw
from likeness.annotation.choice.known import KnownPair, gold, training
from likeness.annotation.choice.policies import POLICIES, Evidence
from likeness.store.judgements import Assignment, Campaign, Comparison, Side
from likeness.store.record import content_id


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a campaign is planned.

    Attributes:
        policy: one of `POLICIES`.
        pairs: questions to draw.
        overlap: raters that each question is put to.
        explore: share of the draws that is random, so that every pair has a chance.
        shares: of gold pairs and repeats, and the length of the training.
        seed: of all draws, together with the campaign's name.

    """

    policy: str = "random"
    pairs: int
    overlap: int = 3
    explore: float = 0.2
    shares: Shares = field(default_factory=Shares)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.policy not in POLICIES:
            raise ChoiceError(f"policy must be one of {', '.join(POLICIES)}, got {self.policy!r}")
        if self.pairs < 1:
            raise ChoiceError(f"pairs must be at least 1, got {self.pairs}")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a campaign asks about.

    Attributes:
        candidates: pairs to draw from.
        evidence: what the policy goes by.
        known: pairs with known answers.
        raters: ids of who is asked, each once.

    """

    candidates: Sequence[Candidate]
    evidence: Evidence
    known: Sequence[KnownPair]
    raters: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """Rows of a campaign, to be written all or none.

    Attributes:
        campaign: with the settings and, by comparison id, what raters are told after each view
            of the training (`feedback`) in its plan.
        comparisons: questions, gold, training and repeats.
        assignments: views, rater by rater in the order of their queues.

    """

    campaign: Campaign
    comparisons: tuple[Comparison, ...]
    assignments: tuple[Assignment, ...]


def random_state(campaign: str, *more: Any) -> np.random.Generator:
    """Make the generator of a campaign's draws: the same for the same name and numbers."""
    digest = hashlib.sha256(content_id([campaign, *more]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))


def plan(campaign: Campaign, settings: Settings, asked: Asked) -> Planned:
    """Choose pairs, deal them and draw the sides; the same arguments give the same rows.

    Args:
        campaign: name, layout and dimensions; its plan is kept, and added to.
        settings: how.
        asked: about what, and of whom.

    Raises:
        ChoiceError: there are too few samples, known pairs or raters, or a rater is named twice.

    """
    raters = tuple(asked.raters)
    if len(set(raters)) < len(raters):
        raise ChoiceError(f"a rater is named twice: {', '.join(raters)}")
    rng = random_state(campaign.id, settings.seed)
    questions = _questions(campaign.id, settings, asked, rng)
    known = [asked.known[i] for i in rng.permutation(len(asked.known))]
    dealt = overlapping(len(questions), len(raters), settings.overlap, rng)
    queues = [queue(mine, len(known), settings.shares, rng) for mine in dealt]
    golds = max((settings.shares.extra(len(mine))[0] for mine in dealt), default=0)
    pool = max(len(known) - settings.shares.training, 1)
    asking: dict[str, list[Comparison]] = {
        "question": questions,
        "repeat": [replace(question, kind="repeat") for question in questions],
        "training": [training(pair, campaign.id) for pair in known],
        "gold": [gold(pair, campaign.id, min(max(golds, 1) / pool, 1.0)) for pair in known],
    }
    used = dict.fromkeys(view for views in queues for view in views)
    assignments = [
        _assignment(asking, rater, place, view, (side, rng))
        for rater, views in zip(raters, queues, strict=True)
        for place, (view, side) in enumerate(zip(views, sides(len(views), rng), strict=True))
    ]
    comparisons = [asking[kind][number] for kind, number in used]
    told = {
        asking[kind][number].id: known[number].why for kind, number in used if kind == "training"
    }
    noted = {
        **campaign.plan,
        "policy": settings.policy,
        "pairs": settings.pairs,
        "candidates": len(asked.candidates),
        "overlap": settings.overlap,
        "explore": settings.explore,
        **vars(settings.shares),
        "raters": list(raters),
        "seed": settings.seed,
        "feedback": told,
        "rows": _digest(comparisons, assignments),
    }
    return Planned(
        campaign=replace(campaign, plan=noted),
        comparisons=tuple(comparisons),
        assignments=tuple(assignments),
    )


def _questions(
    campaign: str, settings: Settings, asked: Asked, rng: np.random.Generator
) -> list[Comparison]:
    weights = POLICIES[settings.policy](asked.candidates, asked.evidence)
    # Where the policy is random already, exploration changes nothing.
    drawn = draw(weights, settings.pairs, settings.explore, rng)
    pairs = [asked.candidates[i] for i in drawn.index.tolist()]
    return [
        Comparison(
            campaign=campaign,
            condition=pair.condition,
            first=pair.first.clip,
            second=pair.second.clip,
            samples=(pair.first.sample, pair.second.sample),
            chance=chance,
        )
        for pair, chance in zip(pairs, drawn.chance.tolist(), strict=True)
    ]


def _assignment(
    asking: dict[str, list[Comparison]],
    rater: str,
    place: int,
    view: Question,
    drawn: tuple[Side, np.random.Generator],
) -> Assignment:
    kind, number = view
    side, rng = drawn
    return Assignment(
        id=opaque(rng),
        comparison=asking[kind][number].id,
        rater=rater,
        left=side,
        place=place,
        media=opaque(rng),
        reference=opaque(rng),
    )


def _digest(comparisons: Sequence[Comparison], assignments: Sequence[Assignment]) -> str:
    """SHA-256 of all rows but the time they were made."""
    views = [
        {k: v for k, v in assignment.to_dict().items() if k not in Assignment.fleeting}
        for assignment in assignments
    ]
    return content_id([[comparison.id for comparison in comparisons], views])
