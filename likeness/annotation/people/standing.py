"""Whose judgements weigh something."""

from collections.abc import Iterable, Mapping

from likeness.annotation.judgements import Judgement
from likeness.store.judgements import Rater


def trusted(judgements: Iterable[Judgement], raters: Mapping[str, Rater]) -> tuple[Judgement, ...]:
    """Keep the judgements of raters who are known and not suspended now.

    A suspended rater's rows stay where they are; all that is computed from now on is computed
    without them, and with them again once the rater is reinstated.
    """
    return tuple(
        one
        for one in judgements
        if one.rater in raters and raters[one.rater].standing != "suspended"
    )
