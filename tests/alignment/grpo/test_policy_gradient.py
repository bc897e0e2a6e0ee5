import math
from dataclasses import replace

import pytest
import torch
from roller import SHAPE, Roller, adapted, asked_of, cells, config_of
from torch import Tensor

from likeness.alignment.grpo.interface import Collected, Draw
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RolloutError
from likeness.model.sampling.stochastic import CPS, FlowSDE, Step, Trajectory

SETTINGS = [
    GRPO(sampler=sampler, variant=variant, sde_steps=2, sde_range=4, kl=0.5, clip=0.02)
    for sampler in ("flow_sde", "dance", "cps")
    for variant in ("plain", "reweighted", "guard")
    if (sampler, variant) != ("cps", "guard")
]
G = 4
ADVANTAGE = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
ALL = torch.ones(G, dtype=torch.bool)

every = pytest.mark.parametrize("algorithm", SETTINGS, ids=lambda a: f"{a.sampler}-{a.variant}")


def drawn(policy: Roller, algorithm: GRPO, place: int = 0, **changes: object) -> Collected:
    draw = Draw(config=config_of(group=G, **changes), rollout=0, place=place)
    with torch.no_grad():
        return algorithm.collect(policy, asked_of().conditions[place], draw)


def moved(policy: Roller, by: float = 0.2) -> Roller:
    """The policy after a step."""
    assert policy.up is not None
    draw = torch.Generator().manual_seed(9)
    with torch.no_grad():
        policy.up.add_(torch.randn(policy.up.shape, generator=draw).to(policy.up) * by)
    return policy


def rows_of(path: Trajectory, rows: slice) -> Trajectory:
    steps = {
        number: Step(
            latents=step.latents[rows],
            mean=step.mean[rows],
            std=step.std,
            log_prob=step.log_prob[rows],
        )
        for number, step in path.steps.items()
    }
    return replace(path, latents=tuple(z[rows] for z in path.latents), steps=steps)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("guidance", ["guided", "free"])
def test_a_replay_gives_a_ratio_of_exactly_one(algorithm, dtype, guidance):
    policy = adapted(dtype)
    collected = drawn(policy, algorithm, guidance=guidance)
    assert collected.latents.dtype == dtype
    learnt = algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert learnt.departure == 0
    assert learnt.metrics["ratio"] == 1
    assert learnt.metrics["clip_share"] == 0
    other = algorithm.learn(moved(policy), collected, ADVANTAGE, ALL)
    assert other.departure > 0


def naive(policy: Roller, algorithm: GRPO, collected: Collected) -> float:
    """Row by row, step by step, number by number, from the papers' formulas."""
    path: Trajectory = collected.memory
    condition = collected.asked.condition

    def field(z: Tensor, t: float) -> Tensor:
        return policy.velocity(z, torch.tensor([t], dtype=z.dtype), condition)

    total = 0.0
    for number, old in path.steps.items():
        t, to = path.times[number : number + 2]
        dt, a = to - t, algorithm.noise_level
        for row in range(G):
            z, x = path.latents[number][row], path.latents[number + 1][row]
            v = field(z[None], t)[0]
            with policy.adapters_off():
                v_ref = field(z[None], t)[0]
            log_prob = log_old = kl = bias = 0.0
            for c in cells(SHAPE):
                means = []
                for w in (v[c].item(), v_ref[c].item()):
                    if algorithm.sampler == "cps":
                        std = to * math.sin(a * math.pi / 2)
                        clean, noise = z[c].item() - t * w, z[c].item() + (1 - t) * w
                        means.append((1 - to) * clean + math.sqrt(to**2 - std**2) * noise)
                        k = std
                    else:
                        g = a
                        if algorithm.sampler == "flow_sde":
                            g = a * math.sqrt(t / (1 - (to if t == 1 else t)))
                            g = min(g, algorithm.largest_std / math.sqrt(-dt))
                        k = g * math.sqrt(-dt)
                        means.append(
                            z[c].item() * (1 + g**2 / (2 * t) * dt)
                            + w * (1 + g**2 * (1 - t) / (2 * t)) * dt
                        )
                size = math.prod(SHAPE)
                mean, mean_old = means[0], old.mean[row][c].item()
                square = (x[c].item() - mean) ** 2
                square_old = (x[c].item() - mean_old) ** 2
                if algorithm.sampler == "cps":
                    log_prob, log_old = log_prob - square / size, log_old - square_old / size
                else:
                    log_prob += -square / (2 * k**2) / size
                    log_old += -square_old / (2 * k**2) / size
                kl += (mean - means[1]) ** 2 / (2 * k**2) / size
                bias += (mean - mean_old) ** 2 / (2 * k**2) / size
            ratio, weight, kl_weight = math.exp(log_prob - log_old), 1.0, 1.0
            if algorithm.variant == "guard":
                ratio, weight = math.exp((log_prob - log_old + bias) * k), 1 / -dt
            elif algorithm.variant == "reweighted":
                weight = math.sqrt(t / (1 - (to if t == 1 else t))) / math.sqrt(-dt)
                kl_weight = weight**2
            advantage, clip = ADVANTAGE[row].item(), algorithm.clip
            inside = min(max(ratio, 1 - clip), 1 + clip)
            total += weight * max(-advantage * ratio, -advantage * inside)
            total += kl_weight * algorithm.kl * kl
    return total / G / len(path.steps)


@every
def test_the_loss_equals_a_naive_loop(algorithm):
    policy = adapted()
    collected = drawn(policy, algorithm)
    moved(policy)
    learnt = algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert learnt.loss.item() == pytest.approx(naive(policy, algorithm, collected), rel=1e-9)
    assert learnt.metrics["loss"].item() == pytest.approx(learnt.loss.item())


@every
def test_gradients_pass_a_finite_difference_check(algorithm):
    algorithm = replace(algorithm, clip=10.0)  # no kinks
    policy = adapted()
    collected = drawn(policy, algorithm, guidance="guided")
    moved(policy, 0.05)
    names = list(policy.trainable())

    def loss(*weights: Tensor) -> Tensor:
        for name, weight in zip(names, weights, strict=True):
            delattr(policy, name)
            setattr(policy, name, weight)
        return algorithm.learn(policy, collected, ADVANTAGE, ALL).loss

    weights = [p.detach().clone().requires_grad_() for p in policy.trainable().values()]
    assert torch.autograd.gradcheck(loss, weights)


def test_the_base_has_no_kl():
    policy, algorithm = Roller(dtype=torch.float64), SETTINGS[0]
    policy.add_lora(rank=2, alpha=2.0, seed=0)
    learnt = algorithm.learn(policy, drawn(policy, algorithm), ADVANTAGE, ALL)
    assert learnt.metrics["kl"] == 0
    assert (
        algorithm.learn(moved(policy), drawn(policy, algorithm), ADVANTAGE, ALL).metrics["kl"] > 0
    )


@every
def test_two_halves_add_up_to_the_whole(algorithm):
    """k batches of b teach what one of kb does."""
    policy = adapted()
    collected = drawn(policy, algorithm)
    moved(policy)

    def gradient(rows: list[slice]) -> list[Tensor]:
        for p in policy.trainable().values():
            p.grad = None
        for part in rows:
            half = replace(
                collected,
                latents=collected.latents[part],
                memory=rows_of(collected.memory, part),
            )
            learnt = algorithm.learn(policy, half, ADVANTAGE[part], ALL[part])
            (learnt.loss * len(ALL[part]) / G).backward()
        return [p.grad.clone() for p in policy.trainable().values() if p.grad is not None]

    whole, halves = gradient([slice(0, G)]), gradient([slice(0, 1), slice(1, G)])
    torch.testing.assert_close(whole, halves, rtol=1e-10, atol=1e-14)


def test_samples_that_do_not_count_teach_nothing():
    policy, algorithm = adapted(), SETTINGS[0]
    collected = drawn(policy, algorithm)
    moved(policy)
    counts = torch.tensor([True, False, True, True])
    one = algorithm.learn(policy, collected, ADVANTAGE, counts)
    two = algorithm.learn(policy, collected, ADVANTAGE * counts + 7 * ~counts, counts)
    assert torch.equal(one.loss, two.loss)


def test_a_group_shares_its_noise_and_differs_by_its_stochastic_steps():
    algorithm = GRPO(sde_steps=2, sde_range=4)
    for rollout in range(6):
        draw = Draw(config=config_of(group=G), rollout=rollout, place=0)
        window = algorithm.window(draw)
        collected = algorithm.collect(adapted(), asked_of().conditions[0], draw)
        path: Trajectory = collected.memory
        assert tuple(path.steps) == window
        alike = [bool((z == z[:1]).all()) for z in path.latents]
        assert alike == [i <= window[0] for i in range(7)]
        assert len({row.numpy().tobytes() for row in path.latents[-1]}) == G
    apart = replace(algorithm, shared_noise=False)
    latents = drawn(adapted(), apart).memory.latents[0]
    assert len({row.numpy().tobytes() for row in latents}) == G


def test_the_window_moves_with_the_rollout_and_is_the_same_for_all_groups():
    algorithm = GRPO(sde_steps=1, sde_range=5)
    config = config_of()
    windows = [
        algorithm.window(Draw(config=config, rollout=r, place=p)) for r in range(40) for p in (0, 1)
    ]
    assert set(windows) == {(0,), (1,), (2,), (3,), (4,)}
    assert windows[::2] == windows[1::2]


def test_groups_and_rollouts_have_chance_of_their_own():
    def latents(rollout: int, place: int, seed: int = 0) -> bytes:
        draw = Draw(config=config_of(group=G, seed=seed), rollout=rollout, place=place)
        collected = SETTINGS[0].collect(adapted(), asked_of().conditions[0], draw)
        return collected.latents.numpy().tobytes()

    assert latents(0, 0) == latents(0, 0)
    assert len({latents(0, 0), latents(1, 0), latents(0, 1), latents(0, 0, seed=1)}) == 4


@pytest.mark.parametrize(("guidance", "branches"), [("guided", 3), ("free", 1)])
def test_guidance_says_how_many_branches_are_scored(guidance, branches):
    policy, algorithm = adapted(), replace(SETTINGS[0], kl=0.0)
    collected = drawn(policy, algorithm, guidance=guidance)
    assert policy.forwards == 6 * branches
    policy.forwards = 0
    algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert policy.forwards == 2 * branches


def test_the_reference_is_encoded_once_a_group():
    policy, algorithm = adapted(), SETTINGS[0]
    collected = drawn(policy, algorithm)
    assert policy.encoded == 1
    algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert policy.encoded == 3  # the policy's, and the base's for the KL
    algorithm = replace(algorithm, kl=0.0)
    algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert policy.encoded == 4


def test_the_names_stand_for_the_steps_of_the_model():
    chosen = drawn(adapted(), GRPO(sampler="cps", noise_level=0.4, sde_range=4)).settings.sampler
    assert isinstance(chosen, CPS) and chosen.noise_level == 0.4
    chosen = drawn(adapted(), GRPO(sde_range=4)).settings.sampler
    assert isinstance(chosen, FlowSDE) and chosen.largest_std == 0.45


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"clip": 0.0}, "alignment.grpo.clip must be positive, got 0"),
        ({"kl": -1.0}, "alignment.grpo.kl must be 0 or more, got -1"),
        ({"noise_level": math.nan}, "noise_level must be positive, got nan"),
        ({"largest_std": 0.0}, "largest_std must be positive, got 0"),
        ({"sampler": "cps", "noise_level": 1.2}, r"noise_level must be 0\.\.1, got 1.2"),
        ({"sampler": "cps", "variant": "guard"}, '"cps" has no variance'),
        ({"sde_steps": 7}, "sde_steps must be at most sde_range, got 7 of 6"),
    ],
)
def test_settings_that_can_not_be_are_named(values, message):
    with pytest.raises(RolloutError, match=message):
        GRPO(**values)


def test_a_range_that_reaches_the_last_step_is_refused():
    with pytest.raises(RolloutError, match="sde_range must be at most 5, got 6: the last of 6"):
        GRPO().check(config_of(), 6)
