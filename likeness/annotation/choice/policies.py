"""Which pairs are worth asking about: each policy weighs the candidates, and draws nothing.

A weight is the share of draws that the policy would like a pair to get, up to a factor; 0 is a
pair that it has no wish for. `drawing` mixes in random exploration, so that no chance is 0.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import entr, expit

from likeness.annotation.choice.candidates import Candidate, ChoiceError
from likeness.annotation.duels import Duels
from likeness.annotation.ranking import Model, fit


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a policy goes by; each takes what it needs.

    Attributes:
        reward: whose margin is looked at.
        margin: lower and upper end of the wanted |difference|, in units of the reward; None for
            "the smaller the better".
        better: 1 where higher values of a reward are better, -1 where lower; a reward that isn't
            named has no say in a disagreement.
        duels: votes so far between checkpoints; None for none.
        chances: that the first sample is preferred, 0..1, by (first sample, second sample).

    """

    reward: str = ""
    margin: tuple[float, float] | None = None
    better: Mapping[str, int] = field(default_factory=dict)
    duels: Duels | None = None
    chances: Mapping[tuple[str, str], float] = field(default_factory=dict)


Policy = Callable[[Sequence[Candidate], Evidence], np.ndarray]


def at_random(candidates: Sequence[Candidate], evidence: Evidence) -> np.ndarray:
    """Weigh all pairs alike, (N,)."""
    return np.ones(len(candidates))


def by_margin(candidates: Sequence[Candidate], evidence: Evidence) -> np.ndarray:
    """Weigh pairs by the difference of a reward, (N,).

    In the wanted range 1, outside 0; without a range 1 / (1 + |difference| / median), so that the
    closest pairs come first. A pair without both scores weighs 0.
    """
    if not evidence.reward:
        raise ChoiceError("policy margin needs the name of a reward: --reward identity_ref")
    gap = np.abs([_difference(pair, evidence.reward) for pair in candidates])
    known = np.isfinite(gap)
    if evidence.margin is None:
        middle = float(np.median(gap[known])) if known.any() else 0.0
        return np.where(known, 1 / (1 + np.nan_to_num(gap) / (middle or 1.0)), 0.0)
    low, high = evidence.margin
    return np.where(known, (np.nan_to_num(gap) >= low) & (np.nan_to_num(gap) <= high), 0.0)


def by_disagreement(candidates: Sequence[Candidate], evidence: Evidence) -> np.ndarray:
    """Weigh pairs by how far rewards rank their two sides differently, (N,).

    Each reward's differences are divided by their root mean square over the candidates and turned
    so that higher is better; of those for the first side and those for the second, summed apart,
    the smaller sum counts. Where all rewards agree it is 0.
    """
    votes_for, votes_against = np.zeros(len(candidates)), np.zeros(len(candidates))
    for reward, sign in sorted(evidence.better.items()):
        lead = sign * np.nan_to_num([_difference(pair, reward) for pair in candidates])
        size = math.sqrt(float(np.mean(lead**2))) if len(lead) else 0.0
        if size > 0:
            votes_for += np.maximum(lead / size, 0)
            votes_against += np.maximum(-lead / size, 0)
    return np.minimum(votes_for, votes_against)


def by_information(candidates: Sequence[Candidate], evidence: Evidence) -> np.ndarray:
    """Weigh pairs by how much one vote on them is expected to narrow the ranking, (N,).

    The ranking's variance is the sum of the variances of all differences of checkpoints'
    strengths, under the Bradley-Terry posterior of the votes so far (normal, its precision the
    Fisher information with the prior of `ranking.fit`). A vote between i and j adds w u u^T to
    the information, u = e_i - e_j, w = p (1 - p), so by Sherman and Morrison it takes
    w (S |C u|^2 - (1^T C u)^2) / (1 + w u^T C u) off that sum. Pairs of one checkpoint tell
    nothing of a ranking and weigh 0.
    """
    sides = [(pair.first.checkpoint, pair.second.checkpoint) for pair in candidates]
    names = sorted({name for pair in sides for name in pair})
    if len(names) < 2:
        raise ChoiceError(
            "policy information needs samples of two checkpoints at least; take another policy"
        )
    at = {name: i for i, name in enumerate(names)}
    strengths, covariance = posterior(names, evidence.duels)
    i, j = (np.array([at[pair[side]] for pair in sides]) for side in (0, 1))
    return reduction(strengths, covariance, i, j)


def by_preference(candidates: Sequence[Candidate], evidence: Evidence) -> np.ndarray:
    """Weigh pairs by the entropy of a learned preference between them, in bits, (N,).

    A pair that it says nothing of weighs 0.
    """
    chance = np.array(
        [evidence.chances.get((p.first.sample, p.second.sample), math.nan) for p in candidates]
    )
    return np.nan_to_num((entr(chance) + entr(1 - chance)) / math.log(2), nan=0.0)


POLICIES: dict[str, Policy] = {
    "random": at_random,
    "margin": by_margin,
    "disagreement": by_disagreement,
    "information": by_information,
    "preference": by_preference,
}


def posterior(names: Sequence[str], duels: Duels | None) -> tuple[np.ndarray, np.ndarray]:
    """Strengths (S,) of systems, and their covariance (S, S), from the votes so far.

    Votes of systems that are not named are passed over.
    """
    counts = np.zeros((len(names), len(names), 3))
    if duels is not None:
        theirs = duels.counts()
        known = [(i, names.index(n)) for i, n in enumerate(duels.systems) if n in names]
        for i, a in known:
            for j, b in known:
                counts[a, b] += theirs[i, j]
    fitted = fit(counts[None], Model(ties="half"), prior=True)
    size = len(names)
    return fitted.strengths[0], fitted.covariance[0, :size, :size]


def reduction(
    strengths: np.ndarray, covariance: np.ndarray, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Give the fall of the summed variance of all differences by one vote between i and j, (N,)."""
    chance = expit(strengths[i] - strengths[j])
    weight = chance * (1 - chance)
    moved = covariance[:, i] - covariance[:, j]  # (S, N), C u
    at = np.arange(moved.shape[1])
    along = moved[i, at] - moved[j, at]  # u^T C u
    fall = len(strengths) * (moved**2).sum(0) - moved.sum(0) ** 2
    return weight * fall / (1 + weight * along)


def _difference(pair: Candidate, reward: str) -> float:
    a, b = (side.scores.get(reward, math.nan) for side in (pair.first, pair.second))
    return a - b
