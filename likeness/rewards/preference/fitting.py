"""Learning a head: weights of standardised features and a term for the left position."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from likeness.rewards.preference.agreement import calibrate_ties
from likeness.rewards.preference.ballots import Ballots, PreferenceError
from likeness.rewards.preference.features import Features, Space
from likeness.rewards.preference.ties import K, ties_loss


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a preference is learned.

    Attributes:
        k: how readily people call a tie, > 1 (VideoReward's 5).
        penalties: candidates of the L2 penalty on the weights, chosen by cross-validation.
        folds: of the cross-validation, over whole conditions.
        seed: deals conditions to folds.

    """

    k: float = K
    penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0)
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.k > 1:
            raise PreferenceError(f"preference.k must be above 1, got {self.k}")
        if not self.penalties or min(self.penalties) <= 0:
            raise PreferenceError(
                f"preference.penalties must be positive numbers, got {self.penalties}"
            )
        if self.folds < 2:
            raise PreferenceError(f"preference.folds must be at least 2, got {self.folds}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """What one dimension's votes taught.

    Attributes:
        space: how scores become inputs.
        weights: (D,) of the inputs, in log odds a standard deviation.
        position: log odds that the left side gets for being left.
        threshold: difference up to which sides count as equal; below 0 none do.
        penalty: the L2 penalty that cross-validation chose.
        votes: votes it was fitted on that say which is better.

    """

    space: Space
    weights: np.ndarray
    position: float
    threshold: float
    penalty: float
    votes: int

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Score (N, F) raw features: (N,) log odds against an average clip."""
        return self.space.apply(values) @ self.weights

    def differences(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Log odds of left before ties, its position counted, of (N, F) raw features each."""
        return self.scores(left) - self.scores(right) + self.position


def fit_head(features: Features, votes: Ballots, settings: FitSettings) -> Head:
    """Fit on the votes of one dimension.

    Raises:
        PreferenceError: too few conditions, no vote that counts, no feature that differs.

    """
    used = votes.only(votes.decided & (votes.weights > 0))
    conditions = np.unique(used.conditions)
    if len(conditions) < 2:
        raise PreferenceError(
            f"votes that say which is better come from {len(conditions)} conditions, 2 are needed"
        )
    space = Space.fit(features.rows(used.clips))
    if not space.names(features.names):
        raise PreferenceError("no feature differs among the clips that were voted on")
    penalty = _choose_penalty(features, used, settings)
    inputs = _inputs(features, used, space)
    weights, position = solve(inputs, used, penalty, settings.k)
    differences = inputs @ weights + position
    return Head(
        space=space,
        weights=weights,
        position=position,
        threshold=calibrate_ties(differences, used.answers, np.ones(len(used))).at,
        penalty=penalty,
        votes=len(used),
    )


def solve(inputs: np.ndarray, votes: Ballots, penalty: float, k: float) -> tuple[np.ndarray, float]:
    """Minimise the mean loss + penalty / 2 |weights|^2, a convex problem.

    Args:
        inputs: (N, D) of left less right.
        votes: N of them.
        penalty: > 0; the position is free.
        k: of the ties.

    Returns:
        (D,) weights and the position.

    """
    x, answers, weights = (
        torch.from_numpy(np.ascontiguousarray(a, dtype=np.float64))
        for a in (inputs, votes.answers, votes.weights)
    )

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        p = torch.from_numpy(parameters.copy()).requires_grad_()
        loss, _ = ties_loss(x @ p[:-1] + p[-1], answers, weights, k)
        total = loss + penalty / 2 * (p[:-1] ** 2).sum()
        total.backward()
        assert p.grad is not None
        return float(total.detach()), p.grad.numpy()

    start = np.zeros(inputs.shape[1] + 1)
    options = {"maxiter": 2000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return found[:-1], float(found[-1])


def mean_loss(head_differences: np.ndarray, votes: Ballots, k: float) -> float:
    """Mean loss of the votes that say something, each counted once."""
    differences, answers = torch.from_numpy(head_differences), torch.from_numpy(votes.answers)
    return float(ties_loss(differences, answers, torch.ones(len(votes), dtype=torch.float64), k)[0])


def _inputs(features: Features, votes: Ballots, space: Space) -> np.ndarray:
    left, right = (features.rows(side.tolist()) for side in (votes.left, votes.right))
    return space.apply(left) - space.apply(right)


def _choose_penalty(features: Features, votes: Ballots, settings: FitSettings) -> float:
    """Take the penalty of the least held-out loss, the greater one of equals."""
    conditions = np.unique(votes.conditions)
    folds = min(settings.folds, len(conditions))
    dealt = np.random.default_rng(settings.seed).permutation(len(conditions)) % folds
    fold = dealt[np.searchsorted(conditions, votes.conditions)]
    losses = np.zeros(len(settings.penalties))
    for held in range(folds):
        rest, out = votes.only(fold != held), votes.only(fold == held)
        space = Space.fit(features.rows(rest.clips))
        inputs, tested = _inputs(features, rest, space), _inputs(features, out, space)
        for i, penalty in enumerate(settings.penalties):
            weights, position = solve(inputs, rest, penalty, settings.k)
            losses[i] += mean_loss(tested @ weights + position, out, settings.k) * len(out)
    best = losses.min()
    return max(p for p, loss in zip(settings.penalties, losses, strict=True) if loss <= best)
