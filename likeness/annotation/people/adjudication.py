"""Disagreements put to reviewers, who see neither what was said nor by whom."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from likeness.annotation.choice.dealing import opaque
from likeness.annotation.choice.planning import random_state
from likeness.annotation.judgements import Judgement
from likeness.store.judgements import Assignment, Comparison, Rater


@dataclass(frozen=True, kw_only=True)
class Reviews:
    """What is put to reviewers, to be written all or none.

    Attributes:
        comparisons: those that raters disagree on, as `review`.
        assignments: one view for each reviewer who was not among the raters.
        without: ids of disputed questions that no reviewer may judge.

    """

    comparisons: tuple[Comparison, ...]
    assignments: tuple[Assignment, ...]
    without: tuple[str, ...]


def disputed(judgements: Iterable[Judgement]) -> list[Comparison]:
    """Find the questions of which, in some dimension, both sides were called better."""
    said: dict[tuple[str, str], set[str]] = defaultdict(set)
    asked: dict[str, Comparison] = {}
    for one in judgements:
        if one.kind == "question":
            asked[one.comparison.id] = one.comparison
            said[one.comparison.id, one.dimension].add(one.said)
    found = {name for (name, _), answers in said.items() if {"first", "second"} <= answers}
    return [asked[name] for name in sorted(found)]


def adjudicate(
    judgements: Sequence[Judgement],
    assignments: Iterable[Assignment],
    raters: Mapping[str, Rater],
) -> Reviews:
    """Put each disputed question to every active reviewer who has not judged it.

    Names and sides of a view follow from the campaign, question and reviewer alone, so that the
    same disputes give the same rows, and later ones are added after them.

    Args:
        judgements: of one campaign, suspended raters' left out.
        assignments: all views of the campaign so far.
        raters: as they stand now.

    """
    dealt = list(assignments)
    places = Counter(view.rater for view in dealt)
    seen = {(view.rater, view.comparison) for view in dealt}
    reviewers = [
        rater.id
        for rater in raters.values()
        if rater.role == "reviewer" and rater.standing != "suspended"
    ]
    comparisons, views, without = [], [], []
    for question in disputed(judgements):
        review = replace(question, kind="review")
        able = [name for name in sorted(reviewers) if (name, question.id) not in seen]
        if not able:
            without.append(question.id)
            continue
        comparisons.append(review)
        for name in able:
            if (name, review.id) in seen:
                continue
            rng = random_state(question.campaign, "review", review.id, name)
            views.append(
                Assignment(
                    id=opaque(rng),
                    comparison=review.id,
                    rater=name,
                    left="first" if rng.random() < 0.5 else "second",
                    place=places[name],
                    media=opaque(rng),
                    reference=opaque(rng),
                )
            )
            places[name] += 1
    return Reviews(comparisons=tuple(comparisons), assignments=tuple(views), without=tuple(without))
