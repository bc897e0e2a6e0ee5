"""Losses against closed forms and loops over single numbers, in float64."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from roller import SHAPE, cells
from torch import Tensor

from likeness.alignment.grpo.objectives import (
    Noised,
    clipped_loss,
    forward_loss,
    gaussian_kl,
    guarded_log_ratio,
    preference_share,
    video_weight,
)
from likeness.model.sampling.solvers import shifted_times
from likeness.model.sampling.stochastic import CPS, DanceSDE, FlowSDE

ROWS = 3


def drawn(seed: int, rows: int = ROWS) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(rows, *SHAPE, generator=draw, dtype=torch.float64)


@given(st.floats(-0.1, 0.1), st.floats(-5, 5), st.floats(1e-5, 0.05))
@settings(deadline=None)
def test_the_clipped_loss_equals_its_formula(log_ratio, advantage, clip):
    r = math.exp(log_ratio)
    expected = max(-advantage * r, -advantage * min(max(r, 1 - clip), 1 + clip))
    found = clipped_loss(
        torch.tensor([log_ratio], dtype=torch.float64),
        torch.tensor([advantage], dtype=torch.float64),
        clip,
    )
    assert found.item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


def test_the_clip_stops_the_gradient_only_where_the_policy_has_gone_far_enough():
    """Further than the clip in the wanted direction: none; in the other one: all of it."""
    log_ratio = torch.tensor([0.01, 0.01, -0.01, -0.01], requires_grad=True)
    advantage = torch.tensor([1.0, -1.0, 1.0, -1.0])
    clipped_loss(log_ratio, advantage, 1e-3).sum().backward()
    assert log_ratio.grad is not None
    assert [bool(g) for g in log_ratio.grad] == [False, True, True, False]


@pytest.mark.parametrize("a", [0.3, 0.7])
@pytest.mark.parametrize(("t", "t_next"), [(0.95, 0.9), (0.6, 0.35), (0.1, 0.02)])
def test_the_kl_of_flow_sde_equals_the_closed_form(a, t, t_next):
    """|dt|/2 ((1-s)/s) (1+a^2/2)^2/a^2 mean((v-v_ref)^2)."""
    sampler, z, v, v_ref = FlowSDE(noise_level=a), drawn(0), drawn(1), drawn(2)
    (mean, std), (mean_ref, _) = (sampler.moments(z, w, t, t_next) for w in (v, v_ref))
    found = gaussian_kl(mean, mean_ref, std)
    for row in range(ROWS):
        gap = sum(float((v - v_ref)[row][c]) ** 2 for c in cells(SHAPE)) / math.prod(SHAPE)
        expected = (t - t_next) / 2 * ((1 - t) / t) * (1 + a**2 / 2) ** 2 / a**2 * gap
        assert found[row].item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("sampler", [FlowSDE(largest_std=0.1), DanceSDE(), CPS()], ids=repr)
def test_the_kl_is_that_of_two_normal_distributions(sampler):
    z, v, v_ref = drawn(0), drawn(1), drawn(2)
    (mean, std), (mean_ref, _) = (sampler.moments(z, w, 0.7, 0.5) for w in (v, v_ref))
    p, q = (torch.distributions.Normal(m, std.expand_as(m)) for m in (mean, mean_ref))
    expected = torch.distributions.kl_divergence(p, q).flatten(1).mean(1)
    torch.testing.assert_close(gaussian_kl(mean, mean_ref, std), expected)


def test_the_guarded_ratio_equals_its_formula():
    log_ratio = torch.tensor([1e-3, -2e-3, 0.0], dtype=torch.float64)
    mean, mean_old, k = drawn(0), drawn(1), 0.3
    std = torch.full((1, 1, 1, 1, 1), k, dtype=torch.float64)
    found = guarded_log_ratio(log_ratio, mean, mean_old, std)
    for row in range(ROWS):
        gap = sum(float((mean - mean_old)[row][c]) ** 2 for c in cells(SHAPE)) / math.prod(SHAPE)
        expected = (log_ratio[row].item() + gap / (2 * k**2)) * k
        assert found[row].item() == pytest.approx(expected, rel=1e-12)


def test_the_guard_centres_the_ratio():
    """Under the old policy the plain log-ratio's mean is below 0, the guarded one's is 0."""
    rows = 20_000
    draw = torch.Generator().manual_seed(0)
    std, shift = torch.full((1, 1), 0.5, dtype=torch.float64), 0.2
    old, now = torch.zeros(rows, 4, dtype=torch.float64), torch.full((rows, 4), shift).double()
    x = old + std * torch.randn(rows, 4, generator=draw, dtype=torch.float64)
    log_ratio = (((x - old) ** 2 - (x - now) ** 2) / (2 * std**2)).mean(1)
    plain, guarded = log_ratio.mean(), guarded_log_ratio(log_ratio, now, old, std).mean()
    assert plain == pytest.approx(-(shift**2) / (2 * 0.25), abs=0.01)
    assert abs(guarded) < 0.01


def test_video_weight_evens_out_the_steps_of_shift_five():
    """The gradient of a step's log-probability by v goes with of_v / std."""
    times, sampler = shifted_times(16, 5.0), FlowSDE(noise_level=0.7)
    pulls, weighted = [], []
    for t, t_next in pairwise(times[1:-1]):
        now, then = (torch.tensor(x, dtype=torch.float64) for x in (t, t_next))
        _, of_v, std = (float(c) for c in sampler.coefficients(now, then))
        pulls.append(abs(of_v) / std)
        weighted.append(pulls[-1] * video_weight(t, t_next))
        assert video_weight(t, t_next) == pytest.approx(math.sqrt(t / (1 - t) / (t - t_next)))
    assert max(pulls) / min(pulls) > 5
    assert max(weighted) == pytest.approx(min(weighted))
    assert video_weight(1.0, 0.9) == pytest.approx(math.sqrt(1 / 0.1 / 0.1))


def test_the_preference_share_is_the_clamped_advantage():
    advantage = torch.tensor([-9.0, -5.0, -1.0, 0.0, 2.0, 5.0, 7.0])
    assert preference_share(advantage).tolist() == pytest.approx([0, 0, 0.4, 0.5, 0.7, 1, 1])


@pytest.mark.parametrize("beta", [0.1, 1.0])
def test_the_forward_loss_equals_a_naive_loop(beta):
    v, old, z_0, noise = (drawn(i) for i in range(4))
    t = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    share = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    found = forward_loss(v, old, Noised.at(z_0, noise, t), share, beta)
    size = math.prod(SHAPE)
    for row in range(ROWS):
        time, r, parts = t[row].item(), share[row].item(), []
        for sign in (1, -1):
            gaps = []
            for c in cells(SHAPE):
                x, e = z_0[row][c].item(), noise[row][c].item()
                z_t = (1 - time) * x + time * e
                first, second = v[row][c].item(), old[row][c].item()
                mixed = beta * first + (1 - beta) * second
                if sign < 0:
                    mixed = (1 + beta) * second - beta * first
                gaps.append(z_t - time * mixed - x)
            parts.append(sum(g**2 for g in gaps) / size / (sum(map(abs, gaps)) / size))
        expected = r * parts[0] / beta + (1 - r) * parts[1] / beta
        assert found[row].item() == pytest.approx(expected, rel=1e-10)


def test_the_forward_loss_pulls_to_good_samples_and_away_from_bad_ones():
    """Its own size is detached: the gradient is that of a squared error."""
    old, z_0, noise = (drawn(i, 1) for i in range(3))
    noised = Noised.at(z_0, noise, torch.tensor([0.5], dtype=torch.float64))
    truth = noise - z_0
    for share, sign in ((1.0, 1), (0.0, -1)):
        v = old.clone().requires_grad_()
        good = torch.tensor([share], dtype=torch.float64)
        forward_loss(v, old, noised, good, 1.0).sum().backward()
        assert v.grad is not None
        gap = (0.5 * (truth - old)).abs().mean()
        expected = -sign * 2 * 0.25 * (truth - old) / gap / math.prod(SHAPE)
        torch.testing.assert_close(v.grad, expected)


def test_a_sample_of_no_advantage_pulls_nowhere():
    v = drawn(0).requires_grad_()
    noised = Noised.at(drawn(1), drawn(2), torch.full((ROWS,), 0.5, dtype=torch.float64))
    half = torch.full((ROWS,), 0.5, dtype=torch.float64)
    forward_loss(v, v.detach(), noised, half, 1.0).sum().backward()
    assert v.grad is not None
    assert v.grad.abs().max() < 1e-15
