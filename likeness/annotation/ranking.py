"""Strengths of systems from paired comparisons.

Bradley and Terry (1952): the odds that the left clip wins are exp(d), d = strength of the left's
system - strength of the right's + advantage of being on the left (Davidson and Beaver 1977). Ties
are told by Davidson (1970), by Rao and Kupper (1967), or count as half a win on each side. All
three are concave in the logarithms, so Newton's method finds the one maximum; resamples are
fitted together, as a batch.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from likeness.annotation.ties import LEFT, RIGHT, SLOPES, TIE, TIES

_FARTHEST = 12.0  # |logarithm| of a tie parameter that says "never" or "always"
_NEVER = {"davidson": -_FARTHEST, "rao-kupper": 1e-6}  # tie parameter without a tie
_STRIDE = 1.5  # longest step of Newton's method in any direction
_MOST_STEPS = 200


@dataclass(frozen=True, kw_only=True)
class Model:
    """What is fitted.

    Attributes:
        ties: one of `TIES`.
        position: whether being on the left has an advantage of its own.

    """

    ties: str = "davidson"
    position: bool = True

    def __post_init__(self) -> None:
        if self.ties not in TIES:
            raise ValueError(f"ties must be one of {', '.join(TIES)}, got {self.ties!r}")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Strengths of S systems in B samples.

    Attributes:
        strengths: (B, S), natural logarithms with mean 0 a sample.
        position: (B,), logarithm of the odds that being on the left multiplies; 0 without.
        tie: (B,), Davidson's nu (0: never a tie), Rao and Kupper's kappa (1: never a tie), or NaN
            where ties count as half a win.
        covariance: (B, P, P) of strengths, then position, then the tie's free parameter, as
            the curvature of the likelihood says it: for independent votes.
        prior: (B,) bool, whether the half votes of `fit` were added.
        converged: (B,) bool.
        parameters: (B, P) as they were found: strengths, position, the tie's free parameter.

    """

    strengths: np.ndarray
    position: np.ndarray
    tie: np.ndarray
    covariance: np.ndarray
    prior: np.ndarray
    converged: np.ndarray
    parameters: np.ndarray


def fit(
    counts: np.ndarray, model: Model, prior: bool = False, near: np.ndarray | None = None
) -> Fit:
    """Fit samples of votes by maximum likelihood.

    A system that never won or never lost has no finite maximum, nor have two groups that never
    met. Such samples, and all of them where `prior` is set, get a weak prior: half a win and half
    a loss of every system against one of average strength, and where the position is fitted half
    a vote for either side.

    Args:
        counts: (B, S, S, 3) votes of system i on the left and j on the right, that the left won,
            the right won, or neither; the diagonal is not read.
        model: what is fitted.
        prior: whether every sample gets the prior.
        near: (P,) `Fit.parameters` of a sample that these are like, such as the one that they were
            drawn from; they end where they would anyway, in fewer steps.

    """
    counts = np.where(np.eye(counts.shape[1], dtype=bool)[..., None], 0.0, counts)
    needed = np.full(len(counts), prior) | ~_bounded(counts, model)
    kind = model.ties if counts[..., TIE].any() else "half"
    found, converged, curvature = _climb(counts, model, kind, needed, near)
    free = counts.shape[1] + model.position
    lost = ~needed & (~converged | (np.abs(found[:, :free]).max(1) > _FARTHEST))
    if lost.any():  # it has no finite maximum for a reason that the graph of wins doesn't show
        needed = needed | lost
        found[lost], converged[lost], curvature[lost] = _climb(
            counts[lost], model, kind, needed[lost]
        )
    return _fit_of(found, converged, curvature, needed, (model, kind))


def strongly_connected(wins: np.ndarray) -> np.ndarray:
    """Whether each system has a chain of wins to each other one (Ford 1957), (B, S, S) -> (B,)."""
    systems = wins.shape[1]
    reach = ((wins > 0) | np.eye(systems, dtype=bool)).astype(np.float32)
    for _ in range(max(1, math.ceil(math.log2(max(systems, 2))))):
        if reach.all():
            break
        reach = (reach @ reach > 0).astype(np.float32)
    return np.asarray(reach.all(axis=(1, 2)))


def wins_over(counts: np.ndarray) -> np.ndarray:
    """How often i came off at least level against j: wins on either side, and ties both ways."""
    ties = counts[..., TIE] + counts[..., TIE].swapaxes(1, 2)
    return counts[..., LEFT] + counts[..., RIGHT].swapaxes(1, 2) + ties


def _bounded(counts: np.ndarray, model: Model) -> np.ndarray:
    """Whether the likelihood has a finite maximum, as far as the graph of wins tells."""
    fine = strongly_connected(wins_over(counts))
    if model.position:
        sums = counts.sum(axis=(1, 2))
        fine &= (sums[:, LEFT] + sums[:, TIE] > 0) & (sums[:, RIGHT] + sums[:, TIE] > 0)
        fine &= position_shows(counts)
    return fine


def position_shows(counts: np.ndarray) -> np.ndarray:
    """Whether the left's advantage can be told from the strengths, (B, S, S, 3) -> (B,).

    It can't where strengths with a difference of 1 in every pair that was shown would explain
    the votes as well, such as where each pair was shown one way round only.
    """
    shown = counts.sum(-1) > 0
    shows = (shown & shown.swapaxes(1, 2)).any((1, 2))
    for sample in np.flatnonzero(~shows):
        left, right = np.nonzero(shown[sample])
        design = np.zeros((len(left), counts.shape[1]))
        design[np.arange(len(left)), left] += 1
        design[np.arange(len(left)), right] -= 1
        ones = np.ones(len(left))
        if len(left):
            nearest = design @ np.linalg.lstsq(design, ones, rcond=None)[0]
            shows[sample] = bool(np.abs(nearest - ones).max() > 1e-9)
    return shows


def _start(counts: np.ndarray, model: Model, kind: str) -> np.ndarray:
    """Equal strengths, and the tie parameter that equal strengths would have, (B, P)."""
    samples, systems = counts.shape[:2]
    start = np.zeros((samples, systems + model.position + (kind != "half")))
    if kind != "half":
        sums = counts.sum(axis=(1, 2))
        share = np.clip(sums[:, TIE] / np.maximum(sums.sum(1), 1), 1e-4, 1 - 1e-4)
        guess = 2 * share / (1 - share) if kind == "davidson" else (1 + share) / (1 - share)
        start[:, -1] = np.log(guess)
    return start


def _climb(
    counts: np.ndarray,
    model: Model,
    kind: str,
    prior: np.ndarray,
    near: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Go up by Newton's method until no sample moves any more."""
    at = _start(counts, model, kind)
    if near is not None and near.shape == at.shape[1:]:
        at[:] = near
    never = counts[..., TIE].sum((1, 2)) == 0 if kind != "half" else np.zeros(len(at), bool)
    at[never, -1] = _NEVER.get(kind, 0.0)
    moving = np.ones(len(at), bool)
    curvature = np.zeros((len(at), at.shape[1], at.shape[1]))
    for _ in range(_MOST_STEPS):
        slope, bend = _slopes(counts[moving], model.position, kind, at[moving], prior[moving])
        _hold(slope, bend, never[moving])
        curvature[moving] = bend
        step = np.linalg.solve(curvature[moving], slope[..., None])[..., 0]
        longest = np.abs(step).max(axis=1)
        step *= np.minimum(1, _STRIDE / np.maximum(longest, 1e-300))[:, None]
        before = at[moving]
        after = before + step
        if kind == "davidson":
            after[:, -1] = np.clip(after[:, -1], -_FARTHEST, _FARTHEST)
        elif kind == "rao-kupper":
            after[:, -1] = np.clip(
                after[:, -1], np.maximum(before[:, -1] / 4, _NEVER[kind]), _FARTHEST
            )
        at[moving] = after
        moved = np.abs(after - before).max(axis=1) > 1e-10
        moving[np.flatnonzero(moving)[~moved]] = False
        if not moving.any():
            break
    return at, ~moving, curvature


def _hold(slope: np.ndarray, bend: np.ndarray, never: np.ndarray) -> None:
    """Keep the tie parameter of samples without a tie where it is, at the end of its range."""
    slope[never, -1] = 0.0
    bend[never, -1, :] = bend[never, :, -1] = 0.0
    bend[never, -1, -1] = 1.0


def _slopes(
    counts: np.ndarray, position: bool, kind: str, at: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (B, P) and negative Hessian (B, P, P) of the log-likelihood."""
    systems = counts.shape[1]
    strength = at[:, :systems]
    lead = strength[:, :, None] - strength[:, None, :]
    if position:
        lead = lead + at[:, systems, None, None]
    tie = at[:, -1, None, None] if kind != "half" else None
    d, dd, t, tt, dt = SLOPES[kind](counts, lead, tie)

    slope = np.zeros_like(at)
    bend = np.zeros((*at.shape, at.shape[1]))
    slope[:, :systems] = d.sum(2) - d.sum(1)
    both = dd + dd.swapaxes(1, 2)
    bend[:, :systems, :systems] = -both
    diagonal = np.arange(systems)
    bend[:, diagonal, diagonal] += both.sum(2)
    edges = []
    if position:
        slope[:, systems] = d.sum((1, 2))
        bend[:, systems, systems] = dd.sum((1, 2))
        edges.append((systems, dd.sum(2) - dd.sum(1)))
    if kind != "half":
        slope[:, -1] = t.sum((1, 2))
        bend[:, -1, -1] = tt.sum((1, 2)) + 1e-12
        edges.append((at.shape[1] - 1, dt.sum(2) - dt.sum(1)))
        if position:
            bend[:, systems, -1] = bend[:, -1, systems] = dt.sum((1, 2))
    for column, edge in edges:
        bend[:, :systems, column] = bend[:, column, :systems] = edge
    _add_prior(slope, bend, at, prior, systems + position)
    index = np.arange(systems + position)
    bend[:, index, index] += 1e-9  # far below a vote; keeps the equations solvable
    # Strengths matter by their differences only: hold their sum where it is.
    hold = np.where(prior, 0.0, 1.0 + counts.sum((1, 2, 3)) / systems**2)
    bend[:, :systems, :systems] += hold[:, None, None]
    return slope, bend


def _add_prior(
    slope: np.ndarray, bend: np.ndarray, at: np.ndarray, prior: np.ndarray, free: int
) -> None:
    """Half a win and half a loss of every strength, and of the position, against 0."""
    chance = expit(at[:, :free])
    slope[:, :free] += np.where(prior[:, None], 0.5 - chance, 0.0)
    index = np.arange(free)
    bend[:, index, index] += np.where(prior[:, None], chance * (1 - chance), 0.0)


def _fit_of(
    at: np.ndarray,
    converged: np.ndarray,
    curvature: np.ndarray,
    prior: np.ndarray,
    fitted: tuple[Model, str],
) -> Fit:
    model, kind = fitted
    systems = at.shape[1] - model.position - (kind != "half")
    strengths = at[:, :systems] - at[:, :systems].mean(1, keepdims=True)
    if kind != "half":
        tie = np.exp(at[:, -1])
    else:  # no ties at all, or none modelled
        tie = np.full(len(at), {"davidson": 0.0, "rao-kupper": 1.0, "half": math.nan}[model.ties])
    centre = np.eye(at.shape[1])
    centre[:systems, :systems] -= 1 / systems
    covariance = centre @ np.linalg.inv(curvature) @ centre
    if kind != model.ties:  # a tie parameter that no vote tells of has a place, and no spread
        covariance = np.pad(covariance, ((0, 0), (0, 1), (0, 1)))
    return Fit(
        strengths=strengths,
        position=at[:, systems] if model.position else np.zeros(len(at)),
        tie=tie,
        covariance=covariance,
        prior=prior,
        converged=converged,
        parameters=at,
    )
