"""Preference pairs out of scored samples, and why the others were not taken."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal, get_args

import numpy as np

from likeness.store.errors import LikenessError
from likeness.store.records import Pair, Sample, Score

Guard = Literal["alike", "not_worse"]


class MiningError(LikenessError):
    """Mining settings that can't be."""


@dataclass(frozen=True, kw_only=True)
class MiningConfig:
    """Which two samples of one condition make a pair.

    Attributes:
        reward: the score that decides: similarity to the true clip (TAVR section 3.2).
        margin: by how much the winner's must be above the loser's (TAVR A.1: 0.20).
        tolerances: largest difference of the other scores, by reward, in its units. Without them
            the model learns whatever goes along with identity, such as a mouth that moves less.
        guard: "alike" refuses a difference either way; "not_worse" lets the winner be better by
            any amount, where these scores must not fall.
        same_seed: whether both samples must have been drawn from one noise, by two samplers. Then
            they share the pose, and most of their difference is the likeness.
        per_condition: pairs of one condition at most, the widest margins first.
        max_pairs: pairs in all at most, the widest margins first (TAVR A.1: 800).

    Raises:
        MiningError: a value is out of its range.

    """

    reward: str = "identity_target"
    margin: float = 0.20
    tolerances: Mapping[str, float] = field(
        default_factory=lambda: {"sync_c": 0.5, "quality": 0.25}
    )
    guard: Guard = "alike"
    same_seed: bool = False
    per_condition: int = 1
    max_pairs: int = 800

    def __post_init__(self) -> None:
        name = "alignment.mining"
        if not self.margin > 0:
            raise MiningError(f"{name}.margin must be positive, got {self.margin}")
        for reward, tolerance in self.tolerances.items():
            if not tolerance >= 0:
                raise MiningError(f"{name}.tolerances.{reward} must be 0 or more, got {tolerance}")
        for key in ("per_condition", "max_pairs"):
            if getattr(self, key) < 1:
                raise MiningError(f"{name}.{key} must be 1 or more, got {getattr(self, key)}")
        if self.guard not in get_args(Guard):
            raise MiningError(f"{name}.guard must be alike or not_worse, got {self.guard!r}")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A scored sample: its id, condition, seed, and its scores by reward (NaN = missing)."""

    sample: str
    condition: str
    seed: int
    scores: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Mining:
    """What mining kept and refused.

    Attributes:
        pairs: by falling margin.
        refused: counts of refused couples by reason.
        considered: all couples of two samples of one condition: kept plus refused.

    """

    pairs: tuple[Pair, ...]
    refused: Mapping[str, int]
    considered: int


def candidates(samples: Iterable[Sample], scores: Iterable[Score]) -> list[Candidate]:
    """Join samples with the scores of their clips.

    Args:
        samples: of any number of conditions.
        scores: in the order they were given: of several of one reward the last counts. A score
            under a condition belongs to that condition's samples alone.

    """
    by_clip: dict[tuple[str, str | None], dict[str, float]] = {}
    for score in scores:
        by_clip.setdefault((score.clip, score.condition), {})[score.reward] = score.value
    return [
        Candidate(
            sample=sample.id,
            condition=sample.condition,
            seed=sample.seed,
            scores=by_clip.get((sample.clip, None), {})
            | by_clip.get((sample.clip, sample.condition), {}),
        )
        for sample in samples
    ]


def mine(candidates: Sequence[Candidate], config: MiningConfig) -> Mining:
    """Take the couples of samples that differ in identity and in little else.

    Pure: the order of the candidates does not matter.
    """
    refused: Counter[str] = Counter()
    couples = list(_couples(candidates, config))
    kept: list[Pair] = []
    for winner, loser in couples:
        reason = _refusal(winner, loser, config)
        if reason is None:
            kept.append(_pair(winner, loser, config))
        else:
            refused[reason] += 1
    kept.sort(key=lambda pair: (-pair.margin, pair.condition, pair.winner, pair.loser))
    taken: Counter[str] = Counter()
    pairs: list[Pair] = []
    for pair in kept:
        if taken[pair.condition] == config.per_condition:
            refused["more than per_condition"] += 1
        elif len(pairs) == config.max_pairs:
            refused["more than max_pairs"] += 1
        else:
            taken[pair.condition] += 1
            pairs.append(pair)
    return Mining(pairs=tuple(pairs), refused=dict(refused), considered=len(couples))


def shuffle_pairs(pairs: Sequence[Pair], rng: np.random.Generator) -> list[Pair]:
    """Swap winner and loser in one half of the pairs, chosen at random.

    The control of an alignment run: same clips, same number of steps, no preference. It is half of
    them exactly, as a toss for each would by chance leave some preference in a hundred pairs. The
    margin of a swapped pair is negative.
    """
    swapped = rng.permutation(len(pairs)) % 2 == 1
    return [
        swap(pair) if turn else replace(pair, source=f"shuffled {pair.source}")
        for pair, turn in zip(pairs, swapped, strict=True)
    ]


def swap(pair: Pair) -> Pair:
    """Exchange the sides of a pair."""
    return replace(
        pair,
        winner=pair.loser,
        loser=pair.winner,
        margin=-pair.margin,
        source=f"shuffled {pair.source}",
        scores={"winner": pair.scores["loser"], "loser": pair.scores["winner"]},
    )


def _couples(
    candidates: Sequence[Candidate], config: MiningConfig
) -> Iterator[tuple[Candidate, Candidate]]:
    """All couples that may be compared, the one with the higher reward first."""
    groups: dict[tuple[str, int | None], list[Candidate]] = {}
    for candidate in sorted(candidates, key=lambda c: (c.condition, c.sample)):
        noise = candidate.seed if config.same_seed else None
        groups.setdefault((candidate.condition, noise), []).append(candidate)
    for group in groups.values():
        for a, b in combinations(group, 2):
            if b.scores.get(config.reward, math.nan) > a.scores.get(config.reward, math.nan):
                yield b, a
            else:
                yield a, b


def _refusal(winner: Candidate, loser: Candidate, config: MiningConfig) -> str | None:
    margin = _difference(winner, loser, config.reward)
    if math.isnan(margin):
        return f"no {config.reward}"
    if margin < config.margin:
        return f"{config.reward} margin too small"
    for reward, tolerance in config.tolerances.items():
        difference = _difference(winner, loser, reward)
        if math.isnan(difference):
            return f"no {reward}"
        if difference < -tolerance or (config.guard == "alike" and difference > tolerance):
            return f"{reward} too different"
    return None


def _difference(winner: Candidate, loser: Candidate, reward: str) -> float:
    return winner.scores.get(reward, math.nan) - loser.scores.get(reward, math.nan)


def _pair(winner: Candidate, loser: Candidate, config: MiningConfig) -> Pair:
    return Pair(
        condition=winner.condition,
        winner=winner.sample,
        loser=loser.sample,
        margin=_difference(winner, loser, config.reward),
        source=f"mined by {config.reward}",
        scores={"winner": _finite(winner.scores), "loser": _finite(loser.scores)},
    )


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Leave out missing scores: NaN has no form in JSON."""
    return {reward: value for reward, value in scores.items() if math.isfinite(value)}
