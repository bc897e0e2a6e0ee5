import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.combine.combination import Combination, CombinationError, Total
from likeness.store.progress import Progress, silent
from likeness.store.recipes import recipe_table
from likeness.store.record import canonical_json
from likeness.store.records import Score


class Scorer(Protocol):
    """What gives the scores to combine, such as a RewardSet."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Version and weights of each name."""
        ...

    def score(self, subjects: Sequence[Subject]) -> list[Score]:
        """Score subject by subject, each with all names in order."""
        ...


class CombinedReward:
    """Many rewards as one, ``combined``: higher is better, a vetoed clip has the worst.

    What was vetoed is in the detail: a score has a value or a reason, and the worst is a value.

    Args:
        scorer: scores the terms.
        combination: how they become one.

    Raises:
        CombinationError: a term that is not optional is none of the scorer's.

    """

    names = ("combined",)
    version = "combined-1"

    def __init__(self, scorer: Scorer, combination: Combination) -> None:
        known = scorer.versions
        for name, term in combination.terms.items():
            if name not in known and not term.optional:
                raise CombinationError(
                    f"combine.terms.{name}: no such reward; there are {', '.join(known)}"
                )
        self.scorer = scorer
        self.combination = combination
        behind = {name: known.get(name, "") for name in combination.terms}
        named = canonical_json({"combination": recipe_table(combination), "rewards": behind})
        self.weights = hashlib.sha256(named.encode()).hexdigest()

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score with all rewards and combine."""
        progress(0, len(subjects), "combined")
        scores = [
            missing(self, subject, "combined", total.reason or "nothing is known")
            if total.value != total.value
            else scored(self, subject, "combined", total.value)
            for subject, total in zip(subjects, self.totals(subjects), strict=True)
        ]
        progress(len(subjects), len(subjects), "combined")
        return scores

    def totals(self, subjects: Sequence[Subject]) -> list[Total]:
        """Give the whole outcome of each subject: its parts, vetoes and coverage."""
        scores = self.scorer.score(subjects)
        each = len(scores) // max(1, len(subjects))
        return [
            self.combination.total(scores[i * each : (i + 1) * each]) for i in range(len(subjects))
        ]

    def detail(self, subject: Subject) -> Detail:
        """Give what each reward adds, `veto_` names of 1 for broken limits, and the coverage."""
        total = self.totals([subject])[0]
        vetoes = {f"veto_{name}": 1.0 for name in total.vetoes}
        return Detail(values={**total.parts, **vetoes, "coverage": total.coverage})
