import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from voting import chances

from likeness.rewards.preference.agreement import (
    calibrate_ties,
    calibration_error,
    calls,
    reliability,
)
from likeness.rewards.preference.ties import LEFT, RIGHT, TIE, log_chances, ties_loss

EYE = np.eye(3)


def naive_loss(d: np.ndarray, answers: np.ndarray, weights: np.ndarray, k: float) -> float:
    """The terms one by one, as VideoReward writes them, in float64."""

    def logsig(x: float) -> float:
        return -math.log1p(math.exp(-x))

    total = count = 0.0
    for x, answer, weight in zip(d, answers, weights, strict=True):
        won, lost = -logsig(x - math.log(k)), -logsig(-x - math.log(k))
        total += weight * float(answer @ [won, won + lost - math.log(k**2 - 1), lost])
        count += weight * float(answer.sum())
    return total / count


def some(rng: np.random.Generator, n: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    answers = EYE[rng.integers(0, 3, n)]
    answers[: n // 4] = rng.dirichlet(np.ones(3), n // 4)  # soft
    answers[n // 4 : n // 3] = 0  # both bad
    return rng.normal(0, 4, n), answers, rng.uniform(0, 2, n)


def test_chances_are_rao_and_kuppers_and_add_up() -> None:
    d = np.linspace(-30, 30, 61)
    found = log_chances(torch.from_numpy(d)).exp().numpy()
    np.testing.assert_allclose(found, [chances(x) for x in d], atol=1e-12)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-12)
    assert found[30] == pytest.approx([1 / 6, 4 / 6, 1 / 6])


@pytest.mark.parametrize("k", [1.01, 5.0, 20.0])
def test_loss_is_the_naive_one(k: float) -> None:
    d, answers, weights = some(np.random.default_rng(0))
    tensors = [torch.from_numpy(a) for a in (d, answers, weights)]
    loss, metrics = ties_loss(*tensors, k)
    assert float(loss) == pytest.approx(naive_loss(d, answers, weights, k), abs=1e-12)
    assert float(metrics["count"]) == pytest.approx((weights * answers.sum(1)).sum())
    single, _ = ties_loss(*(t.float() for t in tensors), k)
    assert float(single) == pytest.approx(float(loss), abs=1e-5)


def test_gradient_is_that_of_finite_differences() -> None:
    d, answers, weights = (torch.from_numpy(a) for a in some(np.random.default_rng(1)))
    d.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: ties_loss(x, answers, weights)[0], (d,))


def test_loss_stays_finite_far_out_and_refuses_nothing_to_count() -> None:
    d = torch.tensor([1e4, -1e4], dtype=torch.float64)
    loss, _ = ties_loss(d, torch.eye(3, dtype=torch.float64)[[RIGHT, TIE]], torch.ones(2).double())
    assert float(loss) == pytest.approx((1e4 + math.log(5) + 1e4 + math.log(5) - math.log(24)) / 2)
    with pytest.raises(ValueError, match="both_bad"):
        ties_loss(d, torch.zeros(2, 3), torch.ones(2))
    with pytest.raises(ValueError, match="above 1"):
        log_chances(d, 1.0)


def naive_calibration(d: np.ndarray, answers: np.ndarray, weights: np.ndarray) -> float:
    """Best accuracy over every threshold worth trying, by counting."""
    best = 0.0
    for level in [-1.0, *np.abs(d)]:
        got = 0.0
        for x, answer, weight in zip(d, answers, weights, strict=True):
            call = TIE if abs(x) <= level else LEFT if x > 0 else RIGHT
            got += weight * answer[call]
        best = max(best, got / (weights @ answers.sum(1)))
    return best


@given(
    st.lists(
        st.tuples(
            st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0]),
            st.integers(0, 2),
            st.floats(0.1, 3),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_tie_threshold_is_the_best_of_all(rows: list[tuple[float, int, float]]) -> None:
    d, answer, weights = (np.array(column) for column in zip(*rows, strict=True))
    answers = EYE[answer]
    found = calibrate_ties(d, answers, weights)
    assert found.accuracy == pytest.approx(naive_calibration(d, answers, weights))
    hits = weights * answers[np.arange(len(d)), calls(d, found.at)]
    assert found.accuracy == pytest.approx(hits.sum() / weights.sum())


def test_tie_threshold_parts_ties_from_wins() -> None:
    d = np.array([3.0, -2.0, 0.3, -0.2, 0.1])
    answers = EYE[[LEFT, RIGHT, TIE, TIE, TIE]]
    found = calibrate_ties(d, answers, np.ones(5))
    assert (found.at, found.accuracy) == (0.3, 1.0)
    untied = calibrate_ties(d, EYE[[LEFT, RIGHT, LEFT, RIGHT, LEFT]], np.ones(5))
    assert untied.at < 0 and untied.accuracy == 1


def test_reliability_of_true_chances_is_close_and_of_boasts_is_not() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0, 2, 4000)
    true = np.array([chances(x) for x in d])
    answers = EYE[[rng.choice(3, p=p) for p in true]]
    assert calibration_error(reliability(true, answers)) < 0.05
    boast = np.array([chances(5 * x) for x in d])
    assert calibration_error(reliability(boast, answers)) > 0.07
    bins = reliability(true, answers)
    assert sum(b.count for b in bins) == pytest.approx(answers[:, [LEFT, RIGHT]].sum())
