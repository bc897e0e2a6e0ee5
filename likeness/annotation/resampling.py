"""How far strengths would move with other raters, other items or other votes.

Votes of one rater are alike, and so are votes on one item: each is a cluster that is drawn as a
whole (the cluster bootstrap). Where votes have both, the variances are added and that of single
votes, which is in both, is taken off again (Cameron, Gelbach and Miller 2011), but never below
the larger of the two.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.stats import norm, t

from likeness.annotation.duels import Duels
from likeness.annotation.ranking import Fit, Model, fit

LEVEL = 0.95

_DENSE = 4_000_000  # cells of a table of clusters that is kept whole
_EXACT = 2**20  # votes below which a cluster drawn 16 times still counts exactly in 32 bits
_TOGETHER = 4_000_000  # cells of resamples that are fitted together


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Covariances of strengths, then position, then the logarithm of the tie parameter.

    Attributes:
        clustered: (K, P, P), one for each way in which votes are clustered; of single votes
            where there is none.
        votes: (P, P) of single votes where there are two ways, else None.
        floor: (P, P) below which no variance goes, or None.
        reach: how many standard deviations the interval goes to either side.
        kinds: what was drawn as a whole, such as rater and item.
        with_prior: how many resamples needed the prior.

    """

    clustered: np.ndarray
    votes: np.ndarray | None
    floor: np.ndarray | None
    reach: float
    kinds: tuple[str, ...]
    with_prior: int

    def deviation(self, contrasts: np.ndarray) -> np.ndarray:
        """Give the standard deviation of linear combinations of the parameters, (C, P) -> (C,)."""

        def variance(covariance: np.ndarray) -> np.ndarray:
            return (contrasts @ covariance * contrasts).sum(-1)

        apart = variance(self.clustered)
        whole = apart.max(0)
        if self.votes is not None:
            whole = np.maximum(whole, apart.sum(0) - variance(self.votes))
        if self.floor is not None:
            whole = np.maximum(whole, variance(self.floor))
        return np.sqrt(np.maximum(whole, 0))


def spread(
    votes: Duels, model: Model, fitted: Fit, resamples: int, rng: np.random.Generator
) -> Spread:
    """Draw votes again and again, and measure how the fit moves.

    Args:
        votes: the votes.
        model: what was fitted.
        fitted: its one sample; where that needed the prior, the likelihood's own curvature is the
            least that is said, because an unbeaten system is unbeaten in every resample.
        resamples: how often, for each way of clustering.
        rng: where the draws come from.

    """
    ways = {
        name: codes
        for name, codes in (("rater", votes.raters), ("item", votes.items))
        if codes is not None and 1 < codes.max() + 1 < len(codes)
    }
    prior = bool(fitted.prior[0])
    needed, covariances = 0, []
    for codes in (*ways.values(), None) if len(ways) != 1 else ways.values():
        found, extra = _covariance(model, _draws(votes, codes, resamples, rng), fitted)
        covariances.append(found)
        needed += extra
    clusters = min((int(codes.max()) + 1 for codes in ways.values()), default=0)
    return Spread(
        clustered=np.stack(covariances[: max(len(ways), 1)]),
        votes=covariances[-1] if len(ways) > 1 else None,
        floor=fitted.covariance[0] if prior else None,
        reach=float(t.ppf((1 + LEVEL) / 2, clusters - 1) if ways else norm.ppf((1 + LEVEL) / 2)),
        kinds=tuple(ways) or ("vote",),
        with_prior=needed,
    )


def _draws(
    votes: Duels, clusters: np.ndarray | None, resamples: int, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, float]]:
    """Resampled counts (b, S, S, 3), and what a variance of them is to be multiplied by."""
    size = len(votes.systems)
    cells = size * size * 3
    step = max(1, _TOGETHER // cells)
    if clusters is None:
        counts = votes.counts().ravel()
        for start in range(0, resamples, step):
            drawn = rng.multinomial(
                int(counts.sum()), counts / counts.sum(), size=min(step, resamples - start)
            )
            yield drawn.reshape(-1, size, size, 3).astype(float), 1.0
        return
    table = _by_cluster(votes, clusters, cells)
    groups = table.shape[0]
    for start in range(0, resamples, step):
        drawn = np.stack(
            [
                np.bincount(rng.integers(groups, size=groups), minlength=groups)
                for _ in range(min(step, resamples - start))
            ]
        ).astype(table.dtype)
        again = (drawn @ table).astype(float)
        yield again.reshape(-1, size, size, 3), groups / (groups - 1)


def _by_cluster(votes: Duels, clusters: np.ndarray, cells: int) -> Any:
    """Count the votes of each cluster, (G, cells): an array, sparse where that is large."""
    groups = int(clusters.max()) + 1
    kind = np.float32 if len(clusters) < _EXACT else np.float64
    if groups * cells <= _DENSE:
        flat = clusters.astype(np.int64) * cells + votes.cells
        return np.bincount(flat, minlength=groups * cells).reshape(groups, cells).astype(kind)
    ones = np.ones(len(clusters), kind)
    return coo_array((ones, (clusters, votes.cells)), shape=(groups, cells)).tocsr()


def _covariance(
    model: Model, draws: Iterator[tuple[np.ndarray, float]], fitted: Fit
) -> tuple[np.ndarray, int]:
    """Covariance of the parameters over resamples, and how many needed the prior."""
    rows, needed, factor = [], 0, 1.0
    for counts, factor in draws:  # noqa: B007 the factor is the same each time, and used below
        found = fit(counts, model, prior=bool(fitted.prior[0]), near=fitted.parameters[0])
        columns = [found.strengths]
        if model.position:
            columns.append(found.position[:, None])
        if model.ties != "half":
            columns.append(np.log(np.maximum(found.tie, 1e-6))[:, None])
        rows.append(np.concatenate(columns, axis=1))
        needed += int(found.prior.sum())
    return np.atleast_2d(np.cov(np.concatenate(rows), rowvar=False)) * factor, needed
