"""What is asked for, and what rewards say of the samples."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from likeness.store.errors import LikenessError


class GroupKey(NamedTuple):
    """What the samples of a group have in common; the prompt's text alone would mix people."""

    reference: str
    audio: str
    scene: str


class AskedError(LikenessError):
    """Conditions that can't be learnt on, or rewards that nobody gives."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A condition to draw samples of.

    Attributes:
        key: of its group.
        condition: the model's conditioning, a batch of one.

    """

    key: GroupKey
    condition: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class AskedSet:
    """All conditions of a run.

    Raises:
        AskedError: there is none, or two have the same key.

    """

    conditions: tuple[Asked, ...]

    def __post_init__(self) -> None:
        if not self.conditions:
            raise AskedError(
                "no conditions to draw samples of; a workspace gets them where clips are staged, "
                "as `likeness demo` does"
            )
        twice = [k for k, n in Counter(asked.key for asked in self.conditions).items() if n > 1]
        if twice:
            raise AskedError(f"condition {tuple(twice[0])} is there more than once; keep one")

    def __len__(self) -> int:
        return len(self.conditions)

    @property
    def hash(self) -> str:
        """SHA-256 of the keys, which stand for the conditions' tensors."""
        return hashlib.sha256(repr([tuple(a.key) for a in self.conditions]).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, eq=False)
class Judgement:
    """Rewards of samples.

    Attributes:
        values: (N,) by the reward's name, NaN where missing.
        reasons: of each sample, why a reward is missing, by name.

    """

    values: Mapping[str, Tensor]
    reasons: Sequence[Mapping[str, str]] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        if len({len(column) for column in self.values.values()}) != 1:
            raise AskedError("a judgement needs one value a sample and reward")
        if not self.reasons:
            object.__setattr__(self, "reasons", tuple({} for _ in range(self.size)))

    @property
    def size(self) -> int:
        """Of the samples, N."""
        return len(next(iter(self.values.values())))

    @staticmethod
    def joined(parts: "Sequence[Judgement]") -> "Judgement":
        """Put judgements by the same rewards one after the other."""
        return Judgement(
            values={name: torch.cat([p.values[name] for p in parts]) for name in parts[0].values},
            reasons=[why for part in parts for why in part.reasons],
        )


class RewardFunction(Protocol):
    """Judges samples of a condition; higher is better."""

    @property
    def names(self) -> tuple[str, ...]:
        """The rewards it gives."""
        ...

    @property
    def hash(self) -> str:
        """Of the definitions and weights behind it: a run doesn't go on with others."""
        ...

    def __call__(self, key: GroupKey, latents: Tensor, /) -> Judgement:
        """Judge latents (G, C, T, h, w) drawn of the condition with this key."""
        ...


def check_names(wanted: Sequence[str], known: Sequence[str]) -> None:
    """Refuse rewards that nobody gives.

    Raises:
        AskedError: the message offers the nearest name.

    """
    for name in wanted:
        if name not in known:
            close = get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
            raise AskedError(f"alignment.rollouts.rewards.{name}: no such reward; {hint}")
