"""From z of TAVR eq. 7 to the loss of a pair: what was said of it, and how far it is believed."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from likeness.rewards.preference.ties import log_chances

Beta = float | Tensor
Loss = Literal["sigmoid", "ipo", "hinge"]
Ties = Literal["left_out", "rao_kupper", "davidson"]
Schedule = Literal["constant", "linear", "bell"]


class Verdict(NamedTuple):
    """What was said of each pair."""

    chance: Tensor  # (B,) probability that the winner is the better one, 0..1
    tie: Tensor  # (B,) bool: neither is

    def repeat(self, times: int) -> "Verdict":
        """Say the same of all pairs again."""
        return Verdict(self.chance.repeat(times), self.tie.repeat(times))


def sigmoid(z: Tensor, beta: Beta) -> Tensor:
    """Loss of DPO (Rafailov et al. 2023, eq. 7): a pair that is told apart teaches less."""
    return -functional.logsigmoid(z)


def ipo(z: Tensor, beta: Beta) -> Tensor:
    """IPO (Azar et al. 2024, eq. 17): (h - 1/(2 beta))^2 with h = z / beta, the log ratio.

    The loss is of the size of 1/(4 beta^2): at beta 500 it takes a `lambda_dpo` of 1e5 and more to
    be heard beside the flow-matching term.
    """
    return ((z - 0.5) / beta).square()


def hinge(z: Tensor, beta: Beta) -> Tensor:
    """SLiC's (Zhao et al. 2023): max(0, 1 - z); a pair told apart well enough teaches no more."""
    return functional.relu(1 - z)


LOSSES: dict[str, Callable[[Tensor, Beta], Tensor]] = {
    "sigmoid": sigmoid,
    "ipo": ipo,
    "hinge": hinge,
}


def davidson(z: Tensor, rate: float) -> Tensor:
    """Log probabilities of winner, tie and loser (B, 3) after Davidson (1970).

    P(w) : P(tie) : P(l) = e^(z/2) : 2 rate : e^(-z/2), DPO-D of Chen et al. 2024 (eq. 10).
    """
    free = torch.full_like(z, math.log(2 * rate))
    return torch.log_softmax(torch.stack([z / 2, free, -z / 2], dim=-1), dim=-1)


TIED: dict[str, Callable[[Tensor, float], Tensor]] = {
    "rao_kupper": log_chances,
    "davidson": davidson,
}


def beta_at(t: Tensor, beta: float, schedule: Schedule) -> Tensor:
    """Strength of the preference at t (B,); each schedule has a mean of 1 over t in 0..1."""
    return beta * SCHEDULES[schedule](t)


SCHEDULES: dict[str, Callable[[Tensor], Tensor]] = {
    "constant": torch.ones_like,
    "linear": lambda t: 2 * (1 - t),
    "bell": lambda t: 6 * t * (1 - t),
}


@dataclass(frozen=True, kw_only=True)
class Link:
    """How z becomes a loss.

    Attributes:
        loss: of `LOSSES`.
        label_smoothing: share of verdicts taken to be the wrong way round (cDPO), 0..0.5.
        ties: "left_out" has none; the other two give ties a likelihood of their own, and pairs
            that are no ties theirs under the same model. With "sigmoid" alone.
        tie_rate: how readily a tie is called. rao_kupper: k > 1, equal sides tie with
            (k - 1) / (k + 1); davidson: nu > 0, equal sides tie with nu / (1 + nu).

    """

    loss: Loss = "sigmoid"
    label_smoothing: float = 0.0
    ties: Ties = "left_out"
    tie_rate: float = 3.0

    def __call__(self, z: Tensor, beta: Beta, verdict: Verdict | None = None) -> Tensor:
        """Loss (B,) of z (B,); without a verdict the winner is the better one."""
        chance = torch.ones_like(z) if verdict is None else verdict.chance.to(z)
        chance = chance * (1 - self.label_smoothing) + (1 - chance) * self.label_smoothing
        if self.ties == "left_out":
            loss = LOSSES[self.loss]
            return chance * loss(z, beta) + (1 - chance) * loss(-z, beta)
        tie = torch.zeros_like(z) if verdict is None else verdict.tie.to(z)
        said = torch.stack([chance * (1 - tie), tie, (1 - chance) * (1 - tie)], dim=-1)
        return -(said * TIED[self.ties](z, self.tie_rate)).sum(-1)

    def at_zero(self, beta: float, *, tie: bool = False) -> float:
        """Loss of a model that is its reference, in closed form: log 2 for the plain one."""
        rate = self.tie_rate
        if self.ties == "rao_kupper":
            return math.log((1 + rate) / (rate - 1)) if tie else math.log(1 + rate)
        if self.ties == "davidson":
            return math.log((1 + rate) / rate) if tie else math.log(2 + 2 * rate)
        return {"sigmoid": math.log(2), "ipo": 0.25 / beta**2, "hinge": 1.0}[self.loss]
