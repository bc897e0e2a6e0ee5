from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """What a reward sees of a sample.

    Attributes:
        clip: the clip to score.
        reference: the reference video of the person (R_id in TAVR).
        target: the true clip of the same person, scene and speech, where there is one.
        prompt: what the text asked for.
        clip_id: what scores call the clip; its content hash where nothing else is given.

    """

    clip: Footage
    reference: Footage | None = None
    target: Footage | None = None
    prompt: str | None = None
    clip_id: str | None = None

    @property
    def key(self) -> str:
        """The clip's name in scores."""
        return self.clip_id or self.clip.hash


class Reward(Protocol):
    """A way to score clips.

    One object serves training, mining, benchmark and dashboards, so that they never disagree.
    A reward gives a score for each of its names and each subject: a value, or NaN and a reason.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The rewards it gives, as they appear in tables."""
        ...

    @property
    def version(self) -> str:
        """The definition's name; changes whenever the same weights would give another value."""
        ...

    @property
    def weights(self) -> str:
        """SHA-256 of the weights behind it, joined where there are several; "" for none."""
        ...

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Score in batches: subject by subject, each with all names in order."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Detail:
    """What lies behind a clip's scores.

    Attributes:
        values: further numbers by name, NaN where one can't be told.
        curves: (T,) by name, one number a frame, NaN where there is none.

    """

    values: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)


@runtime_checkable
class Detailed(Protocol):
    """A reward that can say what lies behind its scores."""

    def detail(self, subject: Subject) -> Detail:
        """Look closer at one clip; empty where it can't be scored."""
        ...


class Unavailable:
    """Stands for rewards that can't be computed here, and says why in each score."""

    weights = ""

    def __init__(self, names: tuple[str, ...], version: str, reason: str) -> None:
        self.names = names
        self.version = version
        self.reason = reason

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Give NaN and the reason for every subject and name."""
        return [
            missing(self, subject, name, self.reason) for subject in subjects for name in self.names
        ]


def scored(reward: Reward, subject: Subject, name: str, value: float) -> Score:
    """Note a value."""
    return Score(
        clip=subject.key,
        reward=name,
        value=value,
        version=reward.version,
        weights=reward.weights,
    )


def missing(reward: Reward, subject: Subject, name: str, reason: str) -> Score:
    """Note that there is no value, and why."""
    return Score.missing(
        clip=subject.key,
        reward=name,
        reason=reason,
        version=reward.version,
        weights=reward.weights,
    )
