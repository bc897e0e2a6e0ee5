"""The arena: systems ranked by people's votes between two clips of one condition."""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm

from likeness.annotation.duels import DuelError, Duels
from likeness.annotation.ranking import (
    Fit,
    Model,
    fit,
    position_shows,
    strongly_connected,
    wins_over,
)
from likeness.annotation.resampling import Spread, spread
from likeness.annotation.ties import TIE
from likeness.store.errors import LikenessError


class ArenaError(LikenessError):
    """Votes from which no ranking follows."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a system stands.

    Attributes:
        system: its name.
        score: its strength; the geometric mean over systems is 1, and the odds that it wins
            against another are the ratio of their scores.
        low: lower end of the score's 95 % interval.
        high: upper end.
        rank_low: best rank that its votes leave open: one more than the systems that are
            better by an interval of the paired difference.
        rank_high: worst such rank.
        votes: how many votes it took part in.

    """

    system: str
    score: float
    low: float
    high: float
    rank_low: int
    rank_high: int
    votes: int


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A ranking, and how it was made.

    Attributes:
        systems: the best first.
        tie: `model`, its `parameter` with `low` and `high` (Davidson's nu, Rao and Kupper's
            kappa; None where ties count as half a win), how many votes were `ties`, and how
            many of these `both_bad`.
        position: `left_odds`, which being on the left multiplies the odds by, with `low` and
            `high`; None where it was not fitted.
        votes: how many.
        clustered_by: what the intervals take as the unit.
        resamples: how often it was drawn again.
        prior: None, or the prior in words where the votes alone have no finite answer.
        notes: what a reader must know.

    """

    systems: tuple[Standing, ...]
    tie: dict[str, Any]
    position: dict[str, float] | None
    votes: int
    clustered_by: tuple[str, ...]
    resamples: int
    prior: str | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return asdict(self)


_EQUAL = 1e-9  # strengths that differ by less are the same, whatever the arithmetic left

PRIOR = "half a win and half a loss of every system against one of average strength"


def rank(votes: Duels, model: Model, resamples: int, rng: np.random.Generator) -> Ranking:
    """Rank systems by maximum likelihood, with intervals from resampled raters and items.

    Args:
        votes: the votes.
        model: how ties and the position are modelled.
        resamples: how often raters, items or votes are drawn again.
        rng: where the draws come from.

    Raises:
        ArenaError: groups of systems never met, or every vote is a tie.
        DuelError: there are too few resamples for an interval.

    """
    if resamples < 10:
        raise DuelError(f"an interval needs 10 resamples at least, got {resamples}")
    counts = votes.counts()
    _refuse_groups(votes, counts)
    if counts[..., TIE].sum() == counts.sum():
        raise ArenaError("every vote is a tie: nothing tells the systems apart")
    notes = []
    if model.position and not position_shows(counts[None])[0]:
        model = replace(model, position=False)
        notes.append(
            "the left's advantage can't be told from the strengths, because each pair was shown "
            "one way round only; it was left out"
        )
    fitted = fit(counts[None], model)
    spreads = spread(votes, model, fitted, resamples, rng)
    notes += _notes(votes, counts, fitted, spreads, resamples)
    return Ranking(
        systems=_standings(votes, counts, fitted.strengths[0], spreads),
        tie=_tie(votes, counts, model, fitted, spreads),
        position=_position(len(votes.systems), fitted, spreads) if model.position else None,
        votes=int(counts.sum()),
        clustered_by=spreads.kinds,
        resamples=resamples,
        prior=PRIOR if fitted.prior[0] else None,
        notes=tuple(notes),
    )


def _refuse_groups(votes: Duels, counts: np.ndarray) -> None:
    """Systems that never met, not even by way of others, can't be ranked together."""
    groups, of = connected_components(counts.sum(-1), directed=False)
    if groups > 1:
        names = [
            ", ".join(np.array(votes.systems)[of == group].tolist()) for group in range(groups)
        ]
        raise ArenaError(
            f"these groups never met, so no ranking holds for all: {'; '.join(names)}. Collect "
            "votes between them, or rank each group by itself"
        )


def _standings(
    votes: Duels, counts: np.ndarray, strengths: np.ndarray, spreads: Spread
) -> tuple[Standing, ...]:
    size, parameters = len(strengths), spreads.clustered.shape[-1]
    unit = np.eye(parameters)[:size]
    half = spreads.reach * spreads.deviation(unit)
    pairs = (unit[:, None] - unit[None]).reshape(-1, parameters)
    apart = (spreads.reach * spreads.deviation(pairs)).reshape(size, size) + _EQUAL
    lead = strengths[:, None] - strengths[None]
    met = counts.sum((1, 2)) + counts.sum((0, 2))
    return tuple(
        Standing(
            system=votes.systems[i],
            score=math.exp(strengths[i]),
            low=math.exp(strengths[i] - half[i]),
            high=math.exp(min(strengths[i] + half[i], 700.0)),
            rank_low=1 + int((lead[:, i] > apart[:, i]).sum()),
            rank_high=size - int((lead[i] > apart[i]).sum()),
            votes=int(met[i]),
        )
        for i in sorted(range(size), key=lambda i: (-strengths[i], votes.systems[i]))
    )


def _tie(
    votes: Duels, counts: np.ndarray, model: Model, fitted: Fit, spreads: Spread
) -> dict[str, Any]:
    ties = int(counts[..., TIE].sum())
    told: dict[str, Any] = {"model": model.ties, "parameter": None, "low": None, "high": None}
    if model.ties != "half":
        value = float(fitted.tie[0])
        low, high = _around(value, spreads, -1) if ties else (value, math.nan)
        floor = 1.0 if model.ties == "rao-kupper" else 0.0
        told |= {"parameter": value, "low": max(low, floor), "high": high}
    return told | {"ties": ties, "both_bad": votes.both_bad}


def _position(size: int, fitted: Fit, spreads: Spread) -> dict[str, float]:
    value = math.exp(fitted.position[0])
    low, high = _around(value, spreads, size)
    return {"left_odds": value, "low": low, "high": high}


def _around(value: float, spreads: Spread, parameter: int) -> tuple[float, float]:
    """Interval of a parameter whose logarithm was resampled."""
    contrast = np.zeros((1, spreads.clustered.shape[-1]))
    contrast[0, parameter] = 1
    half = spreads.reach * float(spreads.deviation(contrast)[0])
    return value * math.exp(-half), value * math.exp(min(half, 700.0))


def _notes(
    votes: Duels, counts: np.ndarray, fitted: Fit, spreads: Spread, resamples: int
) -> list[str]:
    notes = []
    if fitted.prior[0]:
        wins = counts[..., 0].sum(1) + counts[..., 1].sum(0)
        losses = counts[..., 0].sum(0) + counts[..., 1].sum(1)
        ties = counts[..., TIE].sum(1) + counts[..., TIE].sum(0)
        for name, none in (("lost", losses + ties == 0), ("won", wins + ties == 0)):
            if none.any():
                who = ", ".join(np.array(votes.systems)[none].tolist())
                notes.append(f"never {name}: {who}; the prior alone keeps the score finite")
        if not strongly_connected(wins_over(counts[None]))[0] and not notes:
            notes.append("some systems never lost to any of the others; the prior was needed")
    elif spreads.with_prior:
        total = resamples * (3 if spreads.votes is not None else 1)
        notes.append(f"{spreads.with_prior} of {total} resamples needed the prior: {PRIOR}")
    for name, codes in (("rater", votes.raters), ("item", votes.items)):
        if codes is not None and codes.max() == 0:
            notes.append(f"one {name}: the intervals hold for this {name} only")
    few = {
        name: int(codes.max()) + 1
        for name, codes in (("raters", votes.raters), ("items", votes.items))
        if codes is not None and 1 < codes.max() + 1 < 10
    }
    if few:
        told = " and ".join(f"{count} {name}" for name, count in few.items())
        reach = f"{spreads.reach:.1f} standard deviations, not {norm.ppf(0.975):.2f}"
        notes.append(f"only {told}: the intervals go out to {reach}")
    return notes
