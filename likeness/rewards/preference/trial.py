"""A learned preference put to votes it has not seen."""

from dataclasses import dataclass

import numpy as np
import torch

from likeness.rewards.preference.agreement import Bin, calibration_error, calls, reliability
from likeness.rewards.preference.ballots import Ballots
from likeness.rewards.preference.features import Features
from likeness.rewards.preference.fitting import mean_loss
from likeness.rewards.preference.learned import Learned
from likeness.rewards.preference.ties import log_chances


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """How one dimension fared; each vote counts once, whatever it weighed in the fit.

    Attributes:
        dimension: what was asked about.
        hits: (N,) 1 where the call (left, tie or right) was the vote's.
        conditions: (N,) of the same votes, the units of intervals.
        loss: mean negative log likelihood, in nats.
        chance_loss: the same for the answers' own shares, said of every pair alike.
        commonest: share of the commonest answer: the accuracy without looking.
        bins: reliability of the chance of left.
        both_bad: votes left out because they say nothing of which is better.

    """

    dimension: str
    hits: np.ndarray
    conditions: np.ndarray
    loss: float
    chance_loss: float
    commonest: float
    bins: tuple[Bin, ...]
    both_bad: int

    @property
    def calibration_error(self) -> float:
        """Mean distance of predicted and observed chance of left, 0..1."""
        return calibration_error(self.bins)


def put_to_trial(learned: Learned, features: Features, votes: Ballots) -> list[Trial]:
    """Judge each dimension that has votes which say something."""
    features.agree(learned.versions)
    trials = []
    for dimension, head in learned.heads.items():
        mine = votes.only(votes.dimensions == dimension)
        used = mine.only(mine.decided)
        if not len(used):
            continue
        left, right = (features.rows(side.tolist()) for side in (used.left, used.right))
        differences = head.differences(left, right)
        chances = log_chances(torch.from_numpy(differences), learned.k).exp().numpy()
        shares = used.answers.mean(axis=0)
        called = calls(differences, head.threshold)
        trials.append(
            Trial(
                dimension=dimension,
                hits=used.answers[np.arange(len(used)), called],
                conditions=used.conditions,
                loss=mean_loss(differences, used, learned.k),
                chance_loss=float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum()),
                commonest=float(shares.max()),
                bins=reliability(chances, used.answers),
                both_bad=len(mine) - len(used),
            )
        )
    return trials
