"""Fits against naive likelihoods, choix and evalica."""

import choix
import evalica
import numpy as np
import pytest
from scipy.optimize import minimize

from likeness.annotation.ranking import Model, fit, position_shows
from likeness.annotation.ties import LEFT, RIGHT, TIE, TIES


def drawn(seed: int = 0, systems: int = 4, votes: int = 400) -> np.ndarray:
    """Counts (1, S, S, 3) of votes between systems of unequal strength, with ties and a bias."""
    rng = np.random.default_rng(seed)
    strength = np.linspace(0.7, -0.7, systems)
    left = rng.integers(systems, size=votes)
    right = (left + rng.integers(1, systems, size=votes)) % systems
    lead = strength[left] - strength[right] + 0.25
    weights = np.stack([np.exp(lead / 2), np.exp(-lead / 2), np.full(votes, 0.7)], 1)
    share = (weights / weights.sum(1, keepdims=True)).cumsum(1)
    outcome = (rng.random(votes)[:, None] > share[:, :2]).sum(1)
    cells = (left * systems + right) * 3 + outcome
    counted = np.bincount(cells, minlength=systems * systems * 3)
    return counted.reshape(1, systems, systems, 3).astype(float)


def chances(ties: str, left: float, right: float, tie: float) -> tuple[float, float, float]:
    """Chances of left, right and tie as the papers print them; worths, not logarithms."""
    if ties == "davidson":
        both = tie * np.sqrt(left * right)
        total = left + right + both
        return left / total, right / total, both / total
    first, second = left / (left + tie * right), right / (right + tie * left)
    return first, second, 1 - first - second


def naive(counts: np.ndarray, ties: str) -> np.ndarray:
    """Strengths (mean 0), log odds of the left and tie parameter by a loop and scipy."""
    size = counts.shape[0]

    def loss(at: np.ndarray) -> float:
        worth, odds = np.exp(np.append(at[: size - 1], 0.0)), np.exp(at[size - 1])
        total = 0.0
        for i in range(size):
            for j in range(size):
                if i == j or not counts[i, j].any():
                    continue
                if ties == "half":
                    win = odds * worth[i] / (odds * worth[i] + worth[j])
                    total += (counts[i, j, LEFT] + counts[i, j, TIE] / 2) * np.log(win)
                    total += (counts[i, j, RIGHT] + counts[i, j, TIE] / 2) * np.log(1 - win)
                else:
                    tie = np.exp(at[size]) + (ties == "rao-kupper")
                    each = chances(ties, np.sqrt(odds) * worth[i], worth[j] / np.sqrt(odds), tie)
                    total += float(counts[i, j] @ np.log(each))
        return -total

    start = np.zeros(size + (ties != "half"))
    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-7}).x
    strengths = np.append(found[: size - 1], 0.0)
    tie = np.exp(found[size]) + (ties == "rao-kupper") if ties != "half" else np.nan
    return np.array([*(strengths - strengths.mean()), found[size - 1], tie])


@pytest.mark.parametrize("ties", TIES)
def test_the_fit_is_the_maximum_of_the_likelihood_that_the_papers_print(ties):
    counts = drawn()
    found = fit(counts, Model(ties=ties))
    ours = np.array([*found.strengths[0], found.position[0], found.tie[0]])
    assert ours == pytest.approx(naive(counts[0], ties), abs=1e-4, nan_ok=True)
    assert found.converged.all() and not found.prior.any()


def as_lists(counts: np.ndarray) -> tuple[list[int], list[int], list[int]]:
    """Left, right and outcome of each vote."""
    cells = np.repeat(np.arange(counts.size), counts.ravel().astype(int))
    left, right, outcome = np.unravel_index(cells, counts.shape)
    return left.tolist(), right.tolist(), outcome.tolist()


def test_half_without_position_is_evalicas():
    counts = drawn(1)
    left, right, outcome = as_lists(counts[0])
    names = {LEFT: evalica.Winner.X, RIGHT: evalica.Winner.Y, TIE: evalica.Winner.Draw}
    theirs = evalica.bradley_terry(
        left, right, [names[o] for o in outcome], tolerance=1e-12, limit=10_000
    ).scores.sort_index()
    ours = fit(counts, Model(ties="half", position=False)).strengths[0]
    logs = np.log(theirs.to_numpy())
    assert ours == pytest.approx(logs - logs.mean(), abs=1e-5)


def test_wins_without_position_are_choixs():
    counts = drawn(2)
    counts[..., TIE] = 0
    left, right, outcome = as_lists(counts[0])
    pairs = [(a, b) if o == LEFT else (b, a) for a, b, o in zip(left, right, outcome, strict=True)]
    theirs = choix.ilsr_pairwise(4, pairs)
    for ties in TIES:
        ours = fit(counts, Model(ties=ties, position=False))
        assert ours.strengths[0] == pytest.approx(theirs - theirs.mean(), abs=1e-6)
    assert fit(counts, Model(ties="davidson")).tie[0] == 0
    assert fit(counts, Model(ties="rao-kupper")).tie[0] == 1


@pytest.mark.parametrize("ties", TIES)
def test_swapped_sides_give_the_same_strengths_and_the_opposite_position(ties):
    counts = drawn(3)
    swapped = counts.swapaxes(1, 2)[..., [RIGHT, LEFT, TIE]]
    one, two = (fit(each, Model(ties=ties)) for each in (counts, swapped))
    assert one.strengths == pytest.approx(two.strengths, abs=1e-8)
    assert one.position == pytest.approx(-two.position, abs=1e-8)
    assert one.tie == pytest.approx(two.tie, abs=1e-8, nan_ok=True)


@pytest.mark.parametrize("ties", TIES)
def test_a_batch_is_fitted_as_each_by_itself(ties):
    batch = np.concatenate([drawn(seed, votes=60) for seed in range(6)])
    batch[4, ..., TIE] = 0  # one of them without ties
    together = fit(batch, Model(ties=ties))
    for number, one in enumerate(batch):
        alone = fit(one[None], Model(ties=ties))
        assert together.strengths[number] == pytest.approx(alone.strengths[0], abs=1e-3)


def test_the_curvature_is_the_error_of_independent_votes():
    counts = drawn(4, votes=4000)
    rng = np.random.default_rng(0)
    shares = counts.ravel() / counts.sum()
    again = rng.multinomial(4000, shares, size=300).reshape(300, *counts.shape[1:])
    spread = fit(again.astype(float), Model()).strengths.std(0)
    told = np.sqrt(np.diag(fit(counts, Model()).covariance[0]))[:4]
    assert spread == pytest.approx(told, rel=0.15)


def test_who_never_lost_gets_a_finite_strength_by_the_prior():
    counts = np.zeros((1, 2, 2, 3))
    counts[0, 0, 1, LEFT] = counts[0, 1, 0, RIGHT] = 5  # the first won ten of ten
    found = fit(counts, Model(ties="half"))
    assert found.prior.all() and found.converged.all()
    # Half a win and half a loss against 0 for both, so that they are as far from it either way:
    # 10 (1 - s(2x)) + 1/2 - s(x) = 0.
    strength = found.strengths[0, 0]
    left = 10 * (1 - 1 / (1 + np.exp(-2 * strength))) + 0.5 - 1 / (1 + np.exp(-strength))
    assert left == pytest.approx(0, abs=1e-6)


def test_a_position_that_pairs_shown_one_way_round_hide_is_noticed():
    shown = np.zeros((3, 3, 3, 3))
    shown[0, 0, 1] = shown[0, 1, 2] = 4  # a chain: 2 and 1 and 0 would do
    shown[1] = shown[0]
    shown[1, 0, 2] = 4  # two steps at once: 2 and 1 and 0 say 2 there, not 1
    shown[2] = shown[0]
    shown[2, 1, 0] = 1  # a pair both ways round
    assert position_shows(shown).tolist() == [False, True, True]


def test_unknown_ties_are_refused():
    with pytest.raises(ValueError, match="davidson, rao-kupper, half"):
        Model(ties="elo")


@pytest.mark.parametrize("ties", TIES)
def test_resamples_fitted_from_near_by_end_where_they_would_anyway(ties):
    counts = np.concatenate([drawn(seed) for seed in range(4)])
    near = fit(counts[:1], Model(ties=ties)).parameters[0]
    far, close = fit(counts, Model(ties=ties)), fit(counts, Model(ties=ties), near=near)
    assert close.strengths == pytest.approx(far.strengths, abs=1e-8)
    assert close.position == pytest.approx(far.position, abs=1e-8)
    assert close.converged.all()
