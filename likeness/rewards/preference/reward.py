from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.preference.features import Features
from likeness.rewards.preference.learned import Learned
from likeness.store.progress import Progress, silent
from likeness.store.records import Score


class Scorer(Protocol):
    """What gives the features: a RewardSet, or anything that scores like one."""

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score subject by subject."""
        ...


class PreferenceReward:
    """What people would prefer, learned from their votes on other rewards' scores.

    In log odds against an average clip of the votes, higher is better; the difference of two
    clips says how likely the one is preferred to the other. With one dimension there is one name,
    with several one a dimension and `preference`, their mean.

    Args:
        rewards: scores the features.
        learned: what the votes taught.

    """

    version = "rao-kupper-1"

    def __init__(self, rewards: Scorer, learned: Learned) -> None:
        self.rewards = rewards
        self.learned = learned
        self.weights = learned.hash
        dimensions = tuple(learned.heads)
        each = tuple(f"preference_{name}" for name in dimensions) if len(dimensions) > 1 else ()
        self.names = ("preference", *each)

    @classmethod
    def load(cls, folder: Path, rewards: Scorer) -> "PreferenceReward":
        """Load what `likeness rewards fit-preference` saved."""
        return cls(rewards, Learned.load(folder))

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score the features, and weigh them as the votes taught.

        A feature that is missing counts as average, and as missing where some of the voted clips
        lacked it; with none there is no value.

        Raises:
            PreferenceError: a feature comes in another version than was learned on.

        """
        rows = self.rewards.score(subjects, progress)
        width = len(rows) // len(subjects) if subjects else 0
        return [
            score
            for i, subject in enumerate(subjects)
            for score in self.weigh(subject, rows[i * width : (i + 1) * width])
        ]

    def weigh(self, subject: Subject, rows: Sequence[Score]) -> list[Score]:
        """Turn one clip's scores into preferences."""
        values = self._values(rows)
        if not np.isfinite(values).any():
            why = next((row.reason for row in rows if row.reason), "nothing was scored")
            reason = f"none of its features has a value: {why}"
            return [missing(self, subject, name, reason) for name in self.names]
        found = [float(head.scores(values)[0]) for head in self.learned.heads.values()]
        each = found if len(found) > 1 else []
        pairs = zip(self.names, [float(np.mean(found)), *each], strict=True)
        return [scored(self, subject, name, value) for name, value in pairs]

    def detail(self, subject: Subject) -> Detail:
        """Say what each feature adds, in log odds: `DIMENSION: FEATURE`."""
        values = self._values(self.rewards.score([subject]))
        parts = {}
        for dimension, head in self.learned.heads.items():
            names = head.space.names(self.learned.features)
            shares = head.space.apply(values)[0] * head.weights
            parts |= {f"{dimension}: {n}": float(v) for n, v in zip(names, shares, strict=True)}
        return Detail(values=parts)

    def _values(self, rows: Sequence[Score]) -> np.ndarray:
        features = Features.of_scores(rows, self.learned.features)
        features.agree(self.learned.versions)
        return features.values[:1]
