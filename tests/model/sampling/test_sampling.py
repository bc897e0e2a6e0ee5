import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from likeness.model import ModelError
from likeness.model.sampling.settings import SAMPLERS, SamplerSettings
from likeness.model.sampling.solvers import Guidance, euler, seeded_noise, shifted_times, unipc
from likeness.model.sampling.stochastic import CPS, DanceSDE, FlowSDE, StochasticSampler, rollout

STOCHASTIC = [FlowSDE(), FlowSDE(largest_std=0.1), DanceSDE(), CPS(), CPS(log_density="mean")]
SHAPE = (2, 1, 2, 3)

either = pytest.mark.parametrize("sampler", STOCHASTIC, ids=repr)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def curved(z: Tensor, t: float) -> Tensor:
    """A velocity that is no straight line, row by row."""
    return torch.tanh(z) * (1 + t) + 0.3 * torch.roll(z, 1, -1)


@dataclass(frozen=True)
class Gaussian:
    """The exact flow from standard noise to Normal(mean, std)."""

    mean: float = 1.5
    std: float = 0.5

    def parts(self, z: Tensor, t: float) -> tuple[Tensor, Tensor]:
        """What z_0 and the noise are on average, given z."""
        rest = (z - (1 - t) * self.mean) / ((1 - t) ** 2 * self.std**2 + t**2)
        return self.mean + (1 - t) * self.std**2 * rest, t * rest

    def __call__(self, z: Tensor, t: float) -> Tensor:
        clean, noise = self.parts(z, t)
        return noise - clean


def test_unipc_follows_a_straight_flow_exactly():
    """With x0 fixed the flow is straight, and any solver must land on x0."""
    x0, noise = torch.randn(2, 3), torch.randn(2, 3)
    for solver in (unipc, euler):
        out = solver(lambda z, t: (z - x0) / t, noise, steps=5, shift=1.0)
        torch.testing.assert_close(out, x0, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("shift", [1.0, 5.0])
def test_euler_equals_that_of_diffusers(shift):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 1 / 7, 7).tolist())
    z = noise = drawn(2, *SHAPE)
    for timestep, t in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
        z = scheduler.step(curved(z, float(t)), timestep, z, return_dict=False)[0]
    torch.testing.assert_close(euler(curved, noise, steps=7, shift=shift), z, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(torch.tensor(shifted_times(7, shift)), scheduler.sigmas)


@given(st.integers(1, 60), st.floats(0.1, 20))
def test_times_go_down_from_noise_to_clip(steps, shift):
    times = shifted_times(steps, shift)
    assert len(times) == steps + 1
    assert times[0] == 1 and times[-1] == 0
    assert all(a > b for a, b in pairwise(times))


def test_guidance_is_nested():
    values = {"full": 5.0, "no_audio": 3.0, "neither": 2.0, "no_reference": 1.0}

    def combined(**scales: float) -> float:
        guidance = Guidance(**scales)
        return float(guidance.combine({n: torch.tensor(values[n]) for n in guidance.branches}))

    assert combined() == 5
    assert combined(audio=1.8, text=5.0) == pytest.approx(2 + 5 * (3 - 2) + 1.8 * (5 - 3))
    assert combined(audio=1.8) == pytest.approx(3 + 1.8 * (5 - 3))
    assert combined(audio=1.8, reference=2.5) == pytest.approx(combined(audio=1.8) + 1.5 * (5 - 1))
    assert Guidance(reference=2.0).branches == ("full", "no_reference")


def published(sampler: StochasticSampler, z: float, v: float, t: float, to: float):
    """Mean and std of a step, number by number, as the papers' code writes them."""
    dt, a = to - t, sampler.noise_level
    if isinstance(sampler, CPS):
        std = to * math.sin(a * math.pi / 2)
        return (1 - to) * (z - t * v) + math.sqrt(to**2 - std**2) * (z + (1 - t) * v), std
    g = a
    if isinstance(sampler, FlowSDE):
        g = a * math.sqrt(t / (1 - (to if t == 1 else t)))
        g = min(g, sampler.largest_std / math.sqrt(-dt))
    mean = z * (1 + g**2 / (2 * t) * dt) + v * (1 + g**2 * (1 - t) / (2 * t)) * dt
    return mean, g * math.sqrt(-dt)


@either
@settings(max_examples=20, deadline=None)
@given(
    t=st.just(1.0) | st.floats(0.05, 0.999),
    share=st.floats(0.01, 0.95),
    seed=st.integers(0, 1000),
)
def test_log_probability_is_that_of_the_normal_distribution(sampler, t, share, seed):
    to = t * share
    z, v, noise = (drawn(2, *SHAPE, seed=seed + i, dtype=torch.float64) for i in range(3))
    totals = [0.0, 0.0]
    for row, *rest in np.ndindex(2, *SHAPE):
        index = (row, *rest)
        mean, std = published(sampler, float(z[index]), float(v[index]), t, to)
        normal = torch.distributions.Normal(*torch.tensor([mean, std], dtype=torch.float64))
        totals[row] += float(normal.log_prob(mean + std * noise[index]))
    for density, count in (("sum", 1), ("mean", math.prod(SHAPE))):
        step = replace(sampler, log_density=density).step(z, v, t, to, noise)
        expected = torch.tensor(totals, dtype=torch.float64) / count
        torch.testing.assert_close(step.log_prob, expected, atol=1e-9, rtol=1e-9)
    squares = replace(sampler, log_density="squares").step(z, v, t, to, noise)
    gap = (squares.latents - squares.mean).square().flatten(1).mean(1)
    torch.testing.assert_close(squares.log_prob, -gap)


@either
@settings(deadline=None)
@given(t=st.floats(0.01, 1), share=st.floats(0, 0.99))
def test_no_noise_is_euler(sampler, t, share):
    z, v = drawn(2, *SHAPE, dtype=torch.float64), drawn(2, *SHAPE, seed=1, dtype=torch.float64)
    mean, std = replace(sampler, noise_level=0.0).moments(z, v, t, t * share)
    torch.testing.assert_close(mean, z + (t * share - t) * v, atol=1e-12, rtol=1e-12)
    assert not std.any()


@either
def test_a_trajectory_without_noise_is_eulers(sampler):
    noise, times = drawn(2, *SHAPE), shifted_times(6, 3.0)
    plain = euler(curved, noise, steps=6, shift=3.0)
    for quiet in (replace(sampler, noise_level=0.0), replace(sampler, window=())):
        path = rollout(curved, noise, quiet, times=times, seeds=[0, 1])
        assert not path.steps
        assert torch.equal(path.latents[-1], plain)


def test_the_first_step_of_flow_sde_is_finite_and_its_mean_follows_its_clip():
    z, v = torch.ones(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64)
    factor, std = FlowSDE(noise_level=0.7).moments(z, v, 1.0, 0.9)
    assert float(std) == pytest.approx(0.7)
    assert float(factor**2 + std**2) == pytest.approx(1 + 0.7**4 / 4)
    clipped = FlowSDE(noise_level=0.7, largest_std=0.45).moments(z, v, 1.0, 0.9)
    weaker = FlowSDE(noise_level=0.45).moments(z, v, 1.0, 0.9)
    torch.testing.assert_close(clipped, weaker)


@pytest.mark.parametrize("shift", [1.0, 3.0])
@pytest.mark.parametrize(
    "sampler",
    [
        FlowSDE(noise_level=0.4),
        FlowSDE(largest_std=0.1),
        DanceSDE(),
        CPS(noise_level=0.2, window=tuple(range(20, 60))),
    ],
    ids=repr,
)
def test_the_final_distribution_is_that_of_the_ode(sampler, shift):
    """Within four standard errors of 80,000 draws, at 150 steps."""
    flow, count = Gaussian(), 20_000
    noise = seeded_noise((count,), [0, 1, 2, 3])
    plain = euler(flow, noise, steps=150, shift=shift)
    path = rollout(flow, noise, sampler, times=shifted_times(150, shift), seeds=[4, 5, 6, 7])
    out = path.latents[-1]
    assert not torch.allclose(out, plain, atol=0.1)
    error = flow.std / math.sqrt(4 * count)
    assert abs(out.mean() - plain.mean()) < 4 * error * math.sqrt(2)
    assert abs(out.std() - plain.std()) < 4 * error


@settings(deadline=None)
@given(t=st.floats(0.1, 0.95), share=st.floats(0, 1, exclude_max=True), level=st.floats(0, 1))
def test_cps_narrows_by_a_known_amount(t, share, level):
    """As its docstring warns; of Euler's step (level 0) what is lost goes with its length."""
    flow, to = Gaussian(), t * share
    variance, cosine = (1 - t) ** 2 * flow.std**2 + t**2, math.cos(level * math.pi / 2)
    z = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    mean, std = CPS(noise_level=level).moments(z, flow(z, t), t, to)
    after = float(mean[1] - mean[0]) ** 2 * variance + float(std) ** 2
    wanted = (1 - to) ** 2 * flow.std**2 + to**2
    lost = flow.std**2 / variance * ((1 - to) * t - (1 - t) * to * cosine) ** 2
    assert after == pytest.approx(wanted - lost)


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_cps_is_exact_for_one_clip(level):
    """Where z_0 is certain each step has the noise it should, and the last lands on z_0."""
    flow, noise = Gaussian(std=0.0), seeded_noise((20_000,), [0])
    path = rollout(flow, noise, CPS(noise_level=level), times=shifted_times(5, 3.0), seeds=[1])
    for t, z in zip(path.times, path.latents, strict=True):
        assert float(z.std()) == pytest.approx(t, rel=0.03, abs=1e-5)
    torch.testing.assert_close(path.latents[-1], torch.full_like(noise, 1.5))


@either
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_replay_gives_the_recorded_log_probability(sampler, dtype):
    noise = seeded_noise(SHAPE, [0, 1]).to(dtype)
    path = rollout(curved, noise, sampler, times=shifted_times(5, 5.0), seeds=[2, 3])
    assert sorted(path.steps) == [0, 1, 2, 3]
    assert path.latents[-1].dtype == dtype
    for number, step in path.steps.items():
        assert step.log_prob.dtype == torch.float32
        assert torch.equal(path.replay(number, curved).log_prob, step.log_prob)
        moved = path.replay(number, lambda z, t: curved(z, t) * 1.1)
        assert not torch.equal(moved.log_prob, step.log_prob)


@either
def test_the_gradient_of_a_replay_is_that_of_the_closed_form(sampler):
    sampler = replace(sampler, log_density="mean")
    noise = seeded_noise(SHAPE, [0, 1]).double()
    path = rollout(curved, noise, sampler, times=shifted_times(5, 5.0), seeds=[2, 3])
    for number, step in path.steps.items():
        gain = torch.ones((), dtype=torch.float64, requires_grad=True)
        replayed = path.replay(number, lambda z, t, g=gain: curved(z, t) * g)
        replayed.log_prob.sum().backward()
        z, (t, to) = path.latents[number], path.times[number : number + 2]
        _, of_v, std = (
            float(c)
            for c in sampler.coefficients(
                torch.tensor(t, dtype=torch.float64), torch.tensor(to, dtype=torch.float64)
            )
        )
        pull = (step.latents - step.mean) * of_v * curved(z, t) / std**2
        assert gain.grad is not None
        torch.testing.assert_close(gain.grad, pull.flatten(1).mean(1).sum())


@either
def test_rows_may_be_at_times_of_their_own(sampler):
    z, v, latents = (drawn(3, *SHAPE, seed=i) for i in range(3))
    t, to = torch.tensor([1.0, 0.6, 0.3]), torch.tensor([0.8, 0.5, 0.1])
    rows = [
        sampler.replay(latents[i : i + 1], z[i : i + 1], v[i : i + 1], t[i], to[i]).log_prob
        for i in range(3)
    ]
    torch.testing.assert_close(sampler.replay(latents, z, v, t, to).log_prob, torch.cat(rows))


def test_a_row_depends_on_its_own_seed_alone():
    def run(starts: list[int], seeds: list[int], **changes) -> tuple[Tensor, ...]:
        sampler = FlowSDE(**changes)
        noise = seeded_noise(SHAPE, starts)
        return rollout(curved, noise, sampler, times=shifted_times(6, 3.0), seeds=seeds).latents

    both = run([1, 2], [3, 4])[-1]
    assert torch.equal(both, run([1, 2], [3, 4])[-1])
    assert torch.equal(both[1:], run([2], [4])[-1])
    assert torch.equal(both.flip(0), run([2, 1], [4, 3])[-1])
    group = run([1, 1], [3, 4], window=(2, 3))
    assert [bool(torch.equal(z[0], z[1])) for z in group] == [True] * 3 + [False] * 4


def test_step_noise_is_neither_the_start_nor_bound_to_the_window():
    start = seeded_noise((500,), [7, 7])
    steps = [seeded_noise((500,), [7, 8], step=i) for i in range(3)]
    streams = torch.stack([start[0], *(row for noise in steps for row in noise)])
    assert (torch.corrcoef(streams) - torch.eye(7)).abs().max() < 0.2
    assert torch.equal(seeded_noise((500,), [8], step=2), steps[2][1:])
    noise, times = seeded_noise(SHAPE, [0]), shifted_times(6, 3.0)
    for window in ((2,), (0, 2)):
        path = rollout(curved, noise, FlowSDE(window=window), times=times, seeds=[5])
        step = path.steps[2]
        torch.testing.assert_close(
            (step.latents - step.mean) / step.std, seeded_noise(SHAPE, [5], step=2)
        )


def test_progress_is_told():
    told = []
    rollout(
        curved,
        seeded_noise(SHAPE, [0]),
        CPS(),
        times=shifted_times(3, 1.0),
        seeds=[0],
        progress=lambda done, total, note: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (lambda: FlowSDE(noise_level=-0.1), "noise_level must be 0 or more, got -0.1"),
        (lambda: DanceSDE(noise_level=math.nan), "noise_level must be 0 or more, got nan"),
        (lambda: CPS(noise_level=1.2), "noise_level of CPS must be 0..1, got 1.2"),
        (lambda: FlowSDE(largest_std=0), "largest_std must be positive, got 0"),
        (lambda: FlowSDE(log_density="median"), "mean, sum or squares, got 'median'"),
        (lambda: SamplerSettings(sampler="ddim"), "one of unipc, euler, .*, got 'ddim'"),
        (lambda: SamplerSettings(steps=0), "steps must be positive, got 0"),
        (lambda: SamplerSettings(shift=0), "shift must be positive, got 0"),
        (lambda: SamplerSettings(sampler=CPS(window=(3,)), steps=4), "the last of 4 steps is det"),
        (lambda: SamplerSettings(sampler=CPS(window=(-1,)), steps=4), "must name steps of 0..2"),
        (lambda: SamplerSettings(sampler=CPS(window=(1, 1)), steps=4), "once each"),
    ],
)
def test_bad_settings_are_refused(bad, message):
    with pytest.raises(ModelError, match=message):
        bad()


def test_bad_calls_are_refused():
    z = drawn(1, *SHAPE)
    for t, to in ((0.5, 0.5), (0.5, 0.6), (1.1, 0.5), (0.5, -0.1), (math.nan, 0.1)):
        with pytest.raises(ModelError, match="a step goes from t in"):
            FlowSDE().moments(z, z, t, to)
    with pytest.raises(ModelError, match="no log-probability without noise"):
        CPS().replay(z, z, z, 0.1, 0.0)
    times = shifted_times(4, 1.0)
    with pytest.raises(ModelError, match="1 rows need as many seeds for their steps, got 2"):
        rollout(curved, z, CPS(), times=times, seeds=[1, 2])
    path = rollout(curved, z, CPS(window=(1,)), times=times, seeds=[1])
    with pytest.raises(ModelError, match=r"step 2 is not stochastic here, only \[1\] are"):
        path.replay(2, curved)


def test_branches_one_by_one_equal_one_batch(generator, request_of, monkeypatch):
    cond = generator.condition([request_of(0), request_of(1)])
    full = Guidance(audio=1.8, text=5.0, reference=1.5)
    together = SamplerSettings(steps=3, guidance=full)
    rows = []
    plain = type(generator).velocity

    def counted(self, z, t, batch, *, shared):
        rows.append(len(z))
        return plain(self, z, t, batch, shared=shared)

    monkeypatch.setattr(type(generator), "velocity", counted)
    batch = generator.sample(cond, seeds=[1, 2], settings=together)
    assert rows == [8] * 3
    rows.clear()
    apart = generator.sample(cond, seeds=[1, 2], settings=replace(together, one_by_one=True))
    assert rows == [2] * 12
    torch.testing.assert_close(apart, batch, atol=1e-5, rtol=1e-5)


def test_every_sampler_has_its_name(generator, request_of):
    cond = generator.condition([request_of(0)])
    made = {
        name: generator.sample(
            cond, seeds=[1], settings=replace(generator.sampler_settings, sampler=name, steps=4)
        )
        for name in SAMPLERS
    }
    assert all(bool(torch.isfinite(latents).all()) for latents in made.values())
    assert (made["euler"] - made["unipc"]).square().mean() < 0.1 * made["unipc"].square().mean()
    assert len({latents.numpy().tobytes() for latents in made.values()}) == len(SAMPLERS)


def test_a_generators_rollout_replays_and_teaches(generator, request_of):
    cond = generator.condition([request_of(0)]).each(3)
    chosen = replace(generator.sampler_settings, sampler=FlowSDE(window=(1, 2)), steps=4)
    generator.add_lora(rank=2, alpha=2, seed=0)
    path = generator.rollout(cond, seeds=[5] * 3, step_seeds=[1, 2, 3], settings=chosen)
    assert torch.equal(path.latents[1][0], path.latents[1][1])
    assert not torch.allclose(path.latents[-1][0], path.latents[-1][1])
    log_prob = path.replay(1, generator.guided_velocity(cond, chosen)).log_prob
    assert torch.equal(log_prob.detach(), path.steps[1].log_prob)
    (log_prob * torch.tensor([1.0, -1.0, 0.5])).sum().backward()
    gradients = [p.grad for p in generator.trainable().values() if p.grad is not None]
    assert gradients and all(bool(torch.isfinite(g).all()) for g in gradients)
    assert any(bool(g.any()) for g in gradients)
    with pytest.raises(ModelError, match="needs a stochastic sampler, got 'unipc'"):
        generator.rollout(cond, seeds=[1, 2, 3], settings=SamplerSettings())
