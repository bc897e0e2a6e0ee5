"""The loop: what it learns, tells, and asks of settings."""

import math

import pytest
import torch
from roller import (
    QUICK,
    Brightness,
    Judge,
    Roller,
    adapted,
    asked_of,
    config_of,
    new_run,
    plan_of,
)

from likeness.alignment.grpo.drawing import collect, order
from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.judging import AskedError, AskedSet, GroupKey, Judgement
from likeness.alignment.grpo.learning import update
from likeness.alignment.grpo.loop import train
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RewardTerm, RolloutError
from likeness.alignment.recipe import Recipe
from likeness.cli.loop.algorithms import ALGORITHMS

both = pytest.mark.parametrize("algorithm", QUICK.values(), ids=QUICK)


def test_the_registry_knows_the_algorithms():
    on_rewards = [name for name, where in ALGORITHMS.items() if "rollouts:" in where]
    known = {name: type(getattr(Recipe(), name)) for name in on_rewards}
    assert {name: type(one) for name, one in QUICK.items()} == known


@pytest.mark.parametrize(
    "algorithm",
    [
        GRPO(sde_steps=2, sde_range=4, clip=1e-2, kl=0.0, sampler=sampler, variant=variant)
        for sampler, variant in (("flow_sde", "reweighted"), ("dance", "guard"), ("cps", "plain"))
    ]
    + [NFT(draws=2, kl=0.0), NFT(draws=2, kl=0.0, old_decay=0.5)],
    ids=lambda a: str(getattr(a, "variant", a.old_decay)),
)
def test_the_reward_rises(tmp_path, algorithm):
    """The same conditions and noise before and after; what is learnt is brightness."""
    group = 12 if isinstance(algorithm, NFT) else 4  # at 4, 60 rollouts of NFT give 0.04
    policy = Roller()
    plan = plan_of(algorithm, rollouts=60, groups=3, group=group, updates=1, lr=3e-2)

    def brightness() -> float:
        found = collect(policy, asked_of(), Brightness(), plan, 10_000)
        assert found is not None
        return float(found[1].values["bright"].mean())

    before = brightness()
    train(policy, asked_of(), Brightness(), plan, new_run(tmp_path / "run"))
    assert brightness() > before + 0.1


@both
def test_the_metrics_say_how_it_goes(tmp_path, algorithm):
    run = new_run(tmp_path / "run")
    terms = {"bright": RewardTerm(), "calm": RewardTerm(weight=0.5, least=-2.0)}
    outcome = train(Roller(), asked_of(), Brightness(), plan_of(algorithm, rewards=terms), run)
    assert (outcome.step, outcome.finished) == (8, True)
    rows = run.metrics.read()
    assert [row["step"] for row in rows] == list(range(1, 9))
    common = {"step", "vetoed", "left_out", "zero_std", "groups", "policy_loss", "loss", "kl",
              "grad_norm"}  # fmt: skip
    own = {"ratio", "ratio_off", "clip_share"} if "ratio" in rows[0] else {"old_gap", "share"}
    for name in terms:
        common |= {f"reward_{name}", f"reward_{name}_std", f"reward_{name}_missing"}
    assert all(set(row) == common | own for row in rows)
    assert all(row["groups"] == 4 and row["grad_norm"] > 0 for row in rows)


def test_an_update_weighs_samples_alike_however_groups_divide_them():
    """Gradients added up group by group are those of all samples' mean."""
    algorithm, plan = QUICK["grpo"], plan_of(QUICK["grpo"], grad_clip=1e9)
    policy = adapted()
    drawn = collect(policy, asked_of(), Brightness(), plan, 0)
    assert drawn is not None
    worth = torch.tensor([1.0, -2.0, 0.5, 3.0])
    counts = [torch.tensor([True] * 4), torch.tensor([True, False, False, False])]
    groups = [(one, worth, kept) for one, kept in zip(drawn[0][:2], counts, strict=True)]
    sgd = torch.optim.SGD(policy.trainable().values(), lr=0.0)
    update(policy, groups, plan, sgd, 1, exact=True)
    found = [p.grad.clone() for p in policy.trainable().values() if p.grad is not None]
    sgd.zero_grad()
    losses = [algorithm.learn(policy, *group).loss for group in groups]
    ((4 * losses[0] + losses[1]) / 5).backward()
    expected = [p.grad for p in policy.trainable().values()]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)


def test_each_update_of_a_rollout_has_groups_of_its_own(tmp_path, monkeypatch):
    seen: list[list[GroupKey]] = []

    def noted(policy, groups, *others, exact):
        seen.append([collected.asked.key for collected, _, _ in groups])
        assert exact == (len(seen) % 2 == 1)
        return update(policy, groups, *others, exact=exact)

    monkeypatch.setattr("likeness.alignment.grpo.learning.update", noted)
    plan = plan_of(QUICK["grpo"], rollouts=2, groups=4)
    train(Roller(), asked_of(4), Brightness(), plan, new_run(tmp_path / "run"))
    assert [len(keys) for keys in seen] == [2, 2, 2, 2]
    assert len({*seen[0], *seen[1]}) == 4


def test_every_epoch_asks_for_every_condition_once():
    config = config_of(groups=3, updates=1)
    places = [i for step in range(10) for i in order(step, config, 5)]
    assert all(sorted(places[i : i + 5]) == list(range(5)) for i in range(0, 30, 5))


def test_samples_without_rewards_and_alike_ones_are_counted(tmp_path):
    def spoil(call: int, judgement: Judgement) -> Judgement:
        values = judgement.values["bright"].clone()
        if call % 4 == 0:
            values[:] = 1.0
        if call % 4 == 1:
            values[0] = math.nan
        return Judgement(values=judgement.values | {"bright": values})

    run = new_run(tmp_path / "run")
    train(Roller(), asked_of(4), Judge(spoil), plan_of(QUICK["grpo"], rollouts=2), run)
    for row in run.metrics.read():
        assert (row["left_out"], row["reward_bright_missing"], row["groups"]) == (1, 1, 3)
        assert row["zero_std"] == pytest.approx(4 / 15)


def test_a_rollout_without_any_spread_changes_nothing(tmp_path):
    def flat(call: int, judgement: Judgement) -> Judgement:
        return Judgement(values={n: torch.zeros(4).double() for n in judgement.values})

    policy, run = Roller(), new_run(tmp_path / "run")
    train(policy, asked_of(), Judge(flat), plan_of(QUICK["grpo"], rollouts=2), run)
    assert policy.up is not None and not policy.up.any()
    assert all(row["zero_std"] == 1 and "loss" not in row for row in run.metrics.read())


def test_no_conditions_and_the_same_one_twice_are_refused():
    with pytest.raises(AskedError, match="no conditions to draw samples of"):
        AskedSet(conditions=())
    one = asked_of(1).conditions[0]
    with pytest.raises(AskedError, match="is there more than once"):
        AskedSet(conditions=(one, one))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"group": 1}, "rollouts.group must be 2 or more, got 1: a sample is judged against"),
        ({"groups": 1}, "groups must be at least updates, got 1 for 2 updates"),
        ({"ddof": 2}, "ddof must be 0 or 1, got 2"),
        ({"lr": math.nan}, "alignment.rollouts.lr must be positive, got nan"),
        ({"replay_tolerance": -1.0}, "replay_tolerance must be 0 or more"),
        ({"steps": 0}, "alignment.rollouts.steps must be positive, got 0"),
        ({"rewards": {}}, "needs a reward of a weight other than 0"),
    ],
)
def test_settings_that_can_not_be_are_named(changes, message):
    with pytest.raises(RolloutError, match=message):
        config_of(**changes)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"weight": math.inf}, "must be finite"), ({"weight": 0.0}, "must have a least or a most")],
)
def test_a_reward_that_can_not_count_is_refused(values, message):
    with pytest.raises(RolloutError, match=message):
        RewardTerm(**values)
