import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from likeness.alignment.losses import (
    PairErrors,
    dpo_loss,
    drift_outside,
    flow_matching_loss,
    masked_error,
)

REDUCTIONS = ("masked_mean", "full_mean")
SHAPE = (2, 3, 3, 4, 5)


def tensors(seed: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    prediction = torch.randn(SHAPE, generator=draw, dtype=dtype)
    target = torch.randn(SHAPE, generator=draw, dtype=dtype)
    mask = torch.rand(SHAPE[0], 1, *SHAPE[2:], generator=draw) < 0.4
    mask[..., 0, 0] = True
    return prediction, target, mask.to(dtype)


def naive_error(prediction: Tensor, target: Tensor, mask: Tensor, reduction: str) -> list[float]:
    """||m * (y - f)||^2, element by element."""
    batch, channels, frames, height, width = prediction.shape
    errors = []
    for b in range(batch):
        total, inside, everything = 0.0, 0, 0
        for c in range(channels):
            for t in range(frames):
                for y in range(height):
                    for x in range(width):
                        m = mask[b, 0, t, y, x].item()
                        d = target[b, c, t, y, x].item() - prediction[b, c, t, y, x].item()
                        total += (m * d) ** 2
                        inside += int(m)
                        everything += 1
        errors.append(total / (inside if reduction == "masked_mean" else everything))
    return errors


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_error_equals_a_naive_loop(reduction):
    prediction, target, mask = tensors(0)
    got = masked_error(prediction, target, mask, reduction)
    assert got.tolist() == pytest.approx(
        naive_error(prediction, target, mask, reduction), rel=1e-12
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_all_ones_mask_equals_no_mask(reduction):
    prediction, target, mask = tensors(1)
    torch.testing.assert_close(
        masked_error(prediction, target, torch.ones_like(mask), reduction),
        masked_error(prediction, target, None, reduction),
        rtol=1e-12,
        atol=0,
    )


@pytest.mark.parametrize("shape", [(2, 1, 1, 4, 5), (1, 1, 1, 4, 5), (2, 1, 3, 4, 5)])
def test_masks_broadcast_over_frames_and_batch(shape):
    prediction, target, _ = tensors(2)
    mask = torch.zeros(shape, dtype=torch.float64)
    mask[..., :2, :] = 1
    expected = masked_error(prediction, target, mask.expand(2, 1, 3, 4, 5), "masked_mean")
    torch.testing.assert_close(masked_error(prediction, target, mask, "masked_mean"), expected)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_reductions_differ_by_the_masks_share(seed):
    prediction, target, mask = tensors(seed)
    masked = masked_error(prediction, target, mask, "masked_mean")
    full = masked_error(prediction, target, mask, "full_mean")
    torch.testing.assert_close(full, masked * mask.flatten(1).mean(1))


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_nothing_outside_the_mask_counts(seed):
    prediction, target, mask = tensors(seed)
    elsewhere = prediction + (1 - mask) * 100
    for reduction in REDUCTIONS:
        torch.testing.assert_close(
            masked_error(elsewhere, target, mask, reduction),
            masked_error(prediction, target, mask, reduction),
        )


def test_half_precision_is_summed_in_float32():
    prediction, target, mask = tensors(3, torch.bfloat16)
    error = masked_error(prediction, target, mask, "full_mean")
    assert error.dtype == torch.float32
    torch.testing.assert_close(
        error, masked_error(prediction.float(), target.float(), mask, "full_mean")
    )


def errors(seed: int) -> PairErrors:
    values = torch.rand(4, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return PairErrors(*values)


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_dpo_equals_a_naive_loop(penalty):
    e, beta, weight = errors(0), 7.0, torch.linspace(0.5, 2, 6, dtype=torch.float64)
    total = 0.0
    for i in range(6):
        winner = e.winner[i].item() - e.winner_ref[i].item()
        loser = e.loser[i].item() - e.loser_ref[i].item()
        z = -beta / 2 * (winner - loser + penalty * max(0.0, winner))
        total += weight[i].item() * -math.log(1 / (1 + math.exp(-z)))
    loss, _ = dpo_loss(e, beta, weight=weight, winner_penalty=penalty)
    assert loss.item() == pytest.approx(total / 6, rel=1e-12)


def test_a_model_equal_to_its_reference_loses_log_two():
    e = errors(1)
    loss, metrics = dpo_loss(PairErrors(e.winner, e.winner, e.loser, e.loser), 500.0)
    assert loss.item() == pytest.approx(math.log(2))
    assert metrics["z"] == 0
    assert metrics["push"] == 0.5
    assert metrics["accuracy"] == 0


@given(st.integers(0, 10_000), st.floats(0.1, 1000))
@settings(max_examples=50, deadline=None)
def test_swapped_sides_turn_z_round(seed, beta):
    e = errors(seed)
    _, forth = dpo_loss(e, beta)
    _, back = dpo_loss(PairErrors(e.loser, e.loser_ref, e.winner, e.winner_ref), beta)
    torch.testing.assert_close(forth["z"], -back["z"])
    torch.testing.assert_close(forth["accuracy"], 1 - back["accuracy"])


@given(st.integers(0, 10_000), st.floats(0, 50))
@settings(max_examples=50, deadline=None)
def test_winner_penalty_never_helps(seed, penalty):
    e = errors(seed)
    plain, _ = dpo_loss(e, 5.0)
    penalised, _ = dpo_loss(e, 5.0, winner_penalty=penalty)
    assert penalised >= plain - 1e-12
    better = e._replace(winner=e.winner_ref - 0.1)
    torch.testing.assert_close(
        dpo_loss(better, 5.0, winner_penalty=penalty)[0], dpo_loss(better, 5.0)[0]
    )


def test_huge_z_stays_finite():
    e = PairErrors(*(torch.tensor([value]) for value in (1e4, 0.0, 0.0, 1e4)))
    loss, metrics = dpo_loss(e, 2000.0)
    assert torch.isfinite(loss)
    assert metrics["push"] == 1


def test_flow_matching_is_the_mean_squared_error():
    prediction, target, _ = tensors(4)
    torch.testing.assert_close(
        flow_matching_loss(prediction, target), torch.nn.functional.mse_loss(prediction, target)
    )
    weight = torch.tensor([2.0, 0.0], dtype=torch.float64)
    torch.testing.assert_close(
        flow_matching_loss(prediction, target, weight),
        torch.nn.functional.mse_loss(prediction[0], target[0]),
    )


def test_drift_counts_outside_alone():
    prediction, reference, mask = tensors(5)
    assert drift_outside(reference + mask, reference, mask) == 0
    assert drift_outside(reference + (1 - mask), reference, mask) == pytest.approx(1)
    assert drift_outside(prediction, reference, torch.ones_like(mask)) == 0


def test_gradients_pass_a_finite_difference_check():
    prediction, target, mask = tensors(6)
    reference, _, _ = tensors(7)

    def loss(p: Tensor) -> Tensor:
        error = masked_error(p, target, mask, "masked_mean")
        ref = masked_error(reference, target, mask, "masked_mean")
        value, _ = dpo_loss(
            PairErrors(error[:1], ref[:1], error[1:], ref[1:]), 3.0, winner_penalty=0.5
        )
        return value + flow_matching_loss(p, target) + drift_outside(p, reference, mask)

    assert torch.autograd.gradcheck(loss, prediction.requires_grad_())
