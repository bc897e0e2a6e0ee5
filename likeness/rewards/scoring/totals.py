import math
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from likeness.rewards.scoring.job import Outcome
from likeness.store.records import Score

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A reward over all clips.

    Attributes:
        reward: its name.
        value: mean over the clips that have a value; NaN where none has.
        scored: how many have one.
        total: how many clips there are.

    """

    reward: str
    value: float
    scored: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why clips lack values.

    Attributes:
        reason: with N for its numbers where they differ from clip to clip.
        rewards: which are missing.
        clips: how many clips, in order.

    """

    reason: str
    rewards: tuple[str, ...]
    clips: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What came of all clips: means with their coverage, and why values are missing."""

    means: tuple[Mean, ...]
    failures: tuple[Failure, ...]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> "Totals":
        """Sum outcomes up."""
        given = list(outcomes)
        scores = [score for outcome in given for score in outcome.scores]
        names = dict.fromkeys(score.reward for score in scores)
        return cls(
            means=tuple(_mean(name, scores, len(given)) for name in names),
            failures=_failures(scores),
        )

    def lines(self) -> list[str]:
        """Say it in lines."""
        told = [
            f"{mean.reward}: {'none' if mean.scored == 0 else f'mean {mean.value:.4g}'} "
            f"({mean.scored} of {mean.total})"
            for mean in self.means
        ]
        for failure in self.failures:
            clips = f"{len(failure.clips)} {'clip' if len(failure.clips) == 1 else 'clips'}"
            told.append(f"{clips} without {', '.join(failure.rewards)}: {failure.reason}")
        return told


def _mean(name: str, scores: list[Score], total: int) -> Mean:
    values = [s.value for s in scores if s.reward == name and not math.isnan(s.value)]
    mean = math.fsum(values) / len(values) if values else math.nan
    return Mean(reward=name, value=mean, scored=len(values), total=total)


def _failures(scores: list[Score]) -> tuple[Failure, ...]:
    """Group what is missing by its reason, the most frequent first."""
    alike: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.reason is not None:
            alike[_NUMBER.sub("N", _bare(score))].append(score)
    failures = []
    for pattern, group in alike.items():
        reasons = {_bare(score) for score in group}
        failures.append(
            Failure(
                reason=reasons.pop() if len(reasons) == 1 else pattern,
                rewards=tuple(dict.fromkeys(score.reward for score in group)),
                clips=tuple(dict.fromkeys(score.clip for score in group)),
            )
        )
    return tuple(sorted(failures, key=lambda failure: -len(failure.clips)))


def _bare(score: Score) -> str:
    """Return a reason without the name of its clip, so that reasons compare."""
    return (score.reason or "").removeprefix(f"{score.clip}: ")
