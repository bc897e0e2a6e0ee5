from dataclasses import replace

import pytest
import torch
from roller import adapted, asked_of, config_of

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.interface import Collected, Draw
from likeness.alignment.grpo.objectives import forward_loss
from likeness.alignment.grpo.settings import RolloutError

G = 4
ADVANTAGE = torch.tensor([1.0, -2.0, 0.5, 8.0], dtype=torch.float64)
ALL = torch.ones(G, dtype=torch.bool)


def drawn(policy, algorithm: NFT, **changes: object) -> Collected:
    draw = Draw(config=config_of(group=G, **changes), rollout=0, place=0)
    with torch.no_grad():
        return algorithm.collect(policy, asked_of().conditions[0], draw)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("guidance", ["guided", "free"])
@pytest.mark.parametrize("sampler", ["euler", "unipc"])
def test_before_an_update_the_policy_is_the_old_one_exactly(dtype, guidance, sampler):
    policy, algorithm = adapted(dtype), NFT(sampler=sampler, draws=2, kl=0.1)
    collected = drawn(policy, algorithm, guidance=guidance)
    learnt = algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert learnt.departure == 0
    assert learnt.metrics["old_gap"] == 0
    assert learnt.metrics["kl"] > 0
    assert policy.up is not None
    policy.up.data += 0.1
    assert algorithm.learn(policy, collected, ADVANTAGE, ALL).departure > 0


def test_the_loss_is_five_times_the_weighted_errors_and_the_kl():
    policy, algorithm = adapted(), NFT(beta=0.5, kl=0.3, timesteps=(0.2, 0.8))
    collected = drawn(policy, algorithm)
    assert policy.up is not None
    policy.up.data += 0.1
    learnt = algorithm.learn(policy, collected, ADVANTAGE, ALL)
    ((noised, old, base),), _ = collected.memory
    assert bool(((noised.t >= 0.2) & (noised.t <= 0.8)).all())
    condition = collected.asked.condition
    rows = []
    for i in range(G):
        row = type(noised)(*(part[i : i + 1] for part in noised))
        v = policy.velocity(row.z_t, row.t, condition)
        share = (ADVANTAGE[i : i + 1] / 10 + 0.5).clamp(0, 1)
        error = forward_loss(v, old[i : i + 1], row, share, 0.5)
        rows.append(5 * error + 0.3 * (v - base[i : i + 1]).square().mean())
    torch.testing.assert_close(learnt.loss, torch.cat(rows).mean())


def test_samples_of_a_group_differ_and_the_reference_is_encoded_once():
    policy, algorithm = adapted(), NFT(kl=0.0, draws=3)
    collected = drawn(policy, algorithm)
    assert policy.encoded == 1
    assert len({row.numpy().tobytes() for row in collected.latents}) == G
    policy.forwards = 0
    algorithm.learn(policy, collected, ADVANTAGE, ALL)
    assert (policy.encoded, policy.forwards) == (2, 3)


def test_samples_that_do_not_count_teach_nothing():
    policy, algorithm = adapted(), NFT()
    collected = drawn(policy, algorithm)
    counts = torch.tensor([True, False, True, True])
    one = algorithm.learn(policy, collected, ADVANTAGE, counts)
    two = algorithm.learn(policy, collected, ADVANTAGE * counts, counts)
    assert torch.equal(one.loss, two.loss)


def test_gradients_pass_a_finite_difference_check_but_for_the_detached_size():
    """At equal errors of both mixtures, where the detached size doesn't matter."""
    policy, algorithm = adapted(), replace(NFT(), kl=1.0)
    collected = drawn(policy, algorithm)
    learnt = algorithm.learn(policy, collected, torch.zeros(G, dtype=torch.float64), ALL)
    learnt.loss.backward()
    total = torch.cat([p.grad.flatten() for p in policy.trainable().values() if p.grad is not None])
    for p in policy.trainable().values():
        p.grad = None
    ((noised, _, base),), _ = collected.memory
    v = policy.velocity(noised.z_t, noised.t, type(collected.asked.condition)(
        collected.asked.condition.vector.repeat(G, 1)
    ))  # fmt: skip
    (v - base).square().mean().backward()
    kl = torch.cat([p.grad.flatten() for p in policy.trainable().values() if p.grad is not None])
    torch.testing.assert_close(total, kl)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beta": 0.0}, "alignment.nft.beta must be positive, got 0"),
        ({"draws": 0}, "alignment.nft.draws must be positive, got 0"),
        ({"kl": -1.0}, "alignment.nft.kl must be 0 or more"),
        ({"old_decay": 1.0}, "old_decay must be 0 or more and below 1, got 1.0"),
        ({"timesteps": (0.5, 0.5)}, "timesteps must be two numbers rising within 0..1"),
    ],
)
def test_settings_that_can_not_be_are_named(values, message):
    with pytest.raises(RolloutError, match=message):
        NFT(**values)
