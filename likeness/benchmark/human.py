"""What people say of the systems beside what the metrics say, and how far both agree."""

import math
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np
from scipy.stats import kendalltau, rankdata, spearmanr

from likeness.annotation.duels import Duels
from likeness.annotation.ranking import Model
from likeness.benchmark.arena import Ranking, rank
from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.cells import Cell
from likeness.benchmark.metrics import METRICS

EXACT = 7  # systems up to which all orders are tried


@dataclass(frozen=True, kw_only=True)
class Agreement(Cell):
    """How far a metric ranks systems as people do.

    Attributes:
        metric: key of METRICS; a metric of which less is better is turned round.
        rho: Spearman's rank correlation of the metric's values with people's scores, -1 to 1;
            NaN where there is none.
        p: chance of one so far from 0 were the systems in any order: exact over all orders of up
            to seven systems, by t above; two-sided.
        tau: Kendall's tau-b of the same.
        systems: how many systems have both.
        reason: why there is no number, or None.

    """

    metric: str
    rho: float
    p: float
    tau: float
    systems: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Arena:
    """How votes become a ranking; the same again gives the same.

    Attributes:
        ties: how ties are modelled.
        resamples: how often raters, items or votes are drawn again.
        seed: of the draws.

    """

    ties: str = "davidson"
    resamples: int = 200
    seed: int = 0


def with_people(board: Board, votes: Duels, arena: Arena) -> Board:
    """Set people's ranking of the systems beside the board's metrics.

    Raises:
        BoardError: the votes know none of the board's systems.
        ArenaError: no ranking follows from the votes.

    """
    if not set(votes.systems) & set(board.systems):
        raise BoardError(
            f"the votes are about {', '.join(votes.systems)}, the board about "
            f"{', '.join(board.systems)}; name the systems alike"
        )
    ranking = rank(
        votes, Model(ties=arena.ties), arena.resamples, np.random.default_rng(arena.seed)
    )
    agreements = [agreement(board, ranking, metric).to_dict() for metric in board.metrics]
    people: dict[str, Any] = {**_plain(ranking), "agreement": agreements}
    return replace(board, people=people)


def agreement(board: Board, ranking: Ranking, metric: str) -> Agreement:
    """Correlate a metric's values with people's scores over the systems that have both."""
    gain = METRICS[metric].gain
    pairs = [
        (gain(row.value), standing.score)
        for standing in ranking.systems
        if (row := board.row(standing.system, metric)) and not math.isnan(row.value)
    ]
    values, scores = np.array(pairs).T if pairs else (np.array([]), np.array([]))
    reason = None
    if METRICS[metric].better is None:
        reason = "neither side of it is better"
    elif len(pairs) < 3:
        reason = f"{len(pairs)} systems have both; a rank correlation needs three"
    elif len(set(values.tolist())) == 1 or len(set(scores.tolist())) == 1:
        reason = "all systems have one value"
    if reason:
        nan = math.nan
        return Agreement(metric=metric, rho=nan, p=nan, tau=nan, systems=len(pairs), reason=reason)
    rho, p = _spearman(values, scores)
    tau: Any = kendalltau(values, scores)
    return Agreement(metric=metric, rho=rho, p=p, tau=float(tau.statistic), systems=len(pairs))


def _spearman(values: np.ndarray, scores: np.ndarray) -> tuple[float, float]:
    """Spearman's rho, and its p value."""
    if len(values) > EXACT:
        found: Any = spearmanr(values, scores)
        return float(found.statistic), float(found.pvalue)
    one, two = rankdata(values), rankdata(scores)
    one, two = one - one.mean(), two - two.mean()
    orders = np.array(list(permutations(two)))
    rhos = orders @ one / math.sqrt((one**2).sum() * (two**2).sum())
    rho = float(rhos[0])
    return rho, float((np.abs(rhos) >= abs(rho) - 1e-12).mean())


def _plain(ranking: Ranking) -> dict[str, Any]:
    """Give the ranking as JSON values: lists for tuples, None for NaN."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    return plain(ranking.to_dict())
