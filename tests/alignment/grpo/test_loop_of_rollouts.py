"""The loop: what it learns, what stops it, and that it goes on to the bit."""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from roller import (
    Brightness,
    Roller,
    adapted,
    asked_of,
    config_of,
    plan_of,
    run_record,
)
from torch import Tensor

from likeness.alignment.grpo.advantages import RewardError
from likeness.alignment.grpo.algorithms import ALGORITHMS
from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.guards import LimitError
from likeness.alignment.grpo.judging import AskedError, AskedSet, GroupKey, Judgement
from likeness.alignment.grpo.loop import Hooks, collect, order, train, update
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RewardTerm, RolloutError
from likeness.store.runs import RunError, RunFolder

QUICK = {
    "grpo": GRPO(sde_steps=2, sde_range=4, clip=1e-2, kl=1e-2),
    "nft": NFT(draws=2, old_decay=0.5),
}
both = pytest.mark.parametrize("algorithm", QUICK.values(), ids=QUICK)


def new_run(folder: Path) -> RunFolder:
    return RunFolder.create(folder, run_record(folder.name))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", "status.json", "lock")
    }


class Killed(BaseException):
    """Not an Exception: nothing on the way may tidy up after it."""


class Judge(Brightness):
    """Brightness that some calls change."""

    def __init__(self, change=lambda call, judgement: judgement) -> None:
        self.change = change
        self.calls = 0

    def __call__(self, key: GroupKey, latents: Tensor) -> Judgement:
        self.calls += 1
        return self.change(self.calls, super().__call__(key, latents))


def test_the_registry_knows_the_algorithms():
    assert {name: type(one) for name, one in QUICK.items()} == ALGORITHMS


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
    policy, plan = Roller(), plan_of(algorithm, rollouts=60, groups=3, updates=1, lr=3e-2)

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


@pytest.fixture(scope="module", params=QUICK, ids=str)
def uninterrupted(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    algorithm = QUICK[request.param]
    train(Roller(), asked_of(), Brightness(), plan_of(algorithm), new_run(folder))
    return algorithm, contents(folder)


def test_killed_at_ten_random_points_and_resumed_equals_uninterrupted(tmp_path, uninterrupted):
    """Wherever: while drawing, judging, learning or saving."""
    algorithm, whole = uninterrupted
    run, lot = new_run(tmp_path / "run"), random.Random(0)
    for _ in range(10):
        moment = lot.randrange(1, 16)

        def kill(call: int, judgement: Judgement, moment: int = moment) -> Judgement:
            if call == moment:
                raise Killed
            return judgement

        try:
            train(Roller(), asked_of(), Judge(kill), plan_of(algorithm), run)
        except Killed:
            assert run.status.step % 3 == 0
    assert train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run).finished
    assert contents(run.path) == whole


@pytest.mark.parametrize("place", range(3))
def test_killed_while_learning_or_saving_and_resumed(tmp_path, monkeypatch, uninterrupted, place):
    algorithm, whole = uninterrupted
    run = new_run(tmp_path / "run")
    target = [
        "likeness.alignment.grpo.loop.clip_grad_norm_",
        "likeness.alignment.grpo.loop.save_training",
        "likeness.alignment.training_state.write_tensors",
    ][place]
    module, name = target.rsplit(".", 1)
    plain = getattr(__import__(module, fromlist=[name]), name)
    calls = []

    def once(*arguments, **named):
        calls.append(1)
        if len(calls) == 4:
            raise Killed
        return plain(*arguments, **named)

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(target, once)
            try:
                train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run)
            except Killed:
                continue
    assert train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run).finished
    assert contents(run.path) == whole


@pytest.mark.parametrize("asked_in", ["drawing", "learnt"])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, uninterrupted, asked_in):
    algorithm, whole = uninterrupted
    run = new_run(tmp_path / "run")

    def ask(done: int, total: int, note: str) -> None:
        if done == 4 and ("drawing" in note) == (asked_in == "drawing"):
            run.request_stop()

    hooks = Hooks(progress=ask)
    outcome = train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run, hooks)
    assert (outcome.step, outcome.finished, run.status.state) == (4, False, "stopped")
    train(Roller(), asked_of(), Brightness(), plan_of(algorithm), run)
    found = contents(run.path)
    assert found.pop("checkpoints/step_000004.safetensors")
    assert found == whole


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

    monkeypatch.setattr("likeness.alignment.grpo.loop.update", noted)
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


def failing(tmp_path, judge=None, hooks=None, algorithm=QUICK["grpo"], policy=None, **changes):
    run = new_run(tmp_path / "run")
    plan = plan_of(algorithm, save_every=2, **changes)
    try:
        train(policy or Roller(), asked_of(), judge or Brightness(), plan, run, hooks)
    finally:
        kept = sorted(path.name for path in (run.path / "checkpoints").iterdir())
        assert kept == [f"step_{s:06d}.safetensors" for s in range(2, run.status.step + 1, 2)]
        failing.status = run.status


def test_no_rewards_at_all_is_an_error(tmp_path):
    def lost(call: int, judgement: Judgement) -> Judgement:
        nan = {n: torch.full((4,), math.nan) for n in judgement.values}
        return Judgement(values=nan, reasons=[{"bright": "too dark"}] * 4)

    with pytest.raises(RewardError, match="16 samples: bright: too dark"):
        failing(tmp_path, Judge(lost))
    assert failing.status.state == "failed"


def test_a_reward_above_its_limit_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    def rise(call: int, judgement: Judgement) -> Judgement:
        return Judgement(values={n: v + (call > 12) for n, v in judgement.values.items()})

    with pytest.raises(LimitError, match=r"rollout 4: the mean of bright is 1\.\d+, above"):
        failing(tmp_path, Judge(rise), rewards={"bright": RewardTerm(stop_above=1.2)})
    assert (failing.status.state, failing.status.step) == ("failed", 2)


@both
def test_a_kl_above_its_limit_stops_the_run(tmp_path, algorithm):
    with pytest.raises(LimitError, match=r"the mean KL is .*, above alignment.rollouts.kl_limit"):
        failing(tmp_path, algorithm=algorithm, kl_limit=1e-4, lr=0.1)


def test_a_tripwire_stops_the_run_before_the_checkpoint(tmp_path):
    hooks = Hooks(
        evaluate=lambda step: {"held_out": step / 2},
        tripwire=lambda step, measured: "look" if measured["held_out"] > 1 else None,
    )
    with pytest.raises(LimitError, match="rollout 4: look; the last checkpoint is the one before"):
        failing(tmp_path, hooks=hooks)
    assert failing.status.step == 2


def test_a_policy_that_is_not_the_one_that_drew_is_refused(tmp_path):
    class Forgetful(Roller):
        def guided_velocity(self, *arguments, **named):
            velocity = super().guided_velocity(*arguments, **named)
            return lambda z, t: velocity(z, t) * (1 + 1e-3 * torch.is_grad_enabled())

    with pytest.raises(RolloutError, match="rollout 1: before its first update the policy is"):
        failing(tmp_path, policy=Forgetful())
    failing.__dict__.clear()
    assert train(
        Forgetful(), asked_of(), Brightness(),
        plan_of(QUICK["grpo"], replay_tolerance=1.0), new_run(tmp_path / "lenient"),
    ).finished  # fmt: skip


@both
def test_a_run_that_diverges_says_so_and_keeps_its_checkpoint(tmp_path, algorithm):
    policy = Roller()

    def spoil(done: int, total: int, note: str) -> None:
        if done == 3 and "drawing" not in note:
            policy.trainable()["up"].data.fill_(math.nan)

    with pytest.raises(RolloutError, match=r"hold NaN or infinity|not finite"):
        failing(tmp_path, hooks=Hooks(progress=spoil), policy=policy, algorithm=algorithm)
    assert failing.status.step == 2


def test_a_gradient_that_is_not_finite_is_never_applied(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "likeness.alignment.grpo.loop.clip_grad_norm_", lambda *_: torch.tensor(math.inf)
    )
    policy = Roller()
    with pytest.raises(RolloutError, match="rollout 1: grad_norm is not finite on conditions"):
        failing(tmp_path, policy=policy)
    assert policy.up is not None and not policy.up.any()


def test_an_unknown_reward_offers_the_nearest(tmp_path):
    with pytest.raises(AskedError, match=r"rewards\.brihgt: no such reward; did you mean bright"):
        failing(tmp_path, rewards={"brihgt": RewardTerm()})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lr": 0.02}, "with config.lr = 0.01, now 0.02"),
        ({"rewards": {"calm": RewardTerm()}}, "with config.rewards = "),
    ],
)
def test_a_run_does_not_go_on_as_another(tmp_path, changes, message):
    run, plan = new_run(tmp_path / "run"), plan_of(QUICK["grpo"])
    train(Roller(), asked_of(), Brightness(), plan, run)
    other = replace(plan, config=replace(plan.config, **changes))
    with pytest.raises(RunError, match=message):
        train(Roller(), asked_of(), Brightness(), other, run)
    with pytest.raises(RunError, match="with another dataset"):
        train(Roller(), asked_of(2), Brightness(), plan, run)
    judge = Brightness()
    judge.hash = "c" * 64
    with pytest.raises(RunError, match="with another rewards"):
        train(Roller(), asked_of(), judge, plan, run)


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
