"""What stops a run, and that the last good checkpoint stays."""

import math
from pathlib import Path

import pytest
import torch
from roller import QUICK, Brightness, Judge, Roller, asked_of, new_run, plan_of

from likeness.alignment.grpo.advantages import RewardError
from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.guards import LimitError
from likeness.alignment.grpo.judging import AskedError, Judgement
from likeness.alignment.grpo.loop import Hooks, train
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RewardTerm, RolloutError
from likeness.alignment.guards import TrainingError

both = pytest.mark.parametrize("algorithm", QUICK.values(), ids=QUICK)


def kept_by(folder: Path, judge=None, hooks=None, policy=None, algorithm=None, **changes) -> None:
    """Train, saving every second rollout, and look at what is left behind."""
    run = new_run(folder / "run")
    plan = plan_of(algorithm or QUICK["grpo"], save_every=2, **changes)
    try:
        train(policy or Roller(), asked_of(), judge or Brightness(), plan, run, hooks)
    finally:
        kept = sorted(path.name for path in (run.path / "checkpoints").iterdir())
        (folder / "kept").write_text(f"{run.status.state} {' '.join(kept)}".strip())


def left(folder: Path) -> str:
    return (folder / "kept").read_text()


def test_no_rewards_at_all_is_an_error(tmp_path):
    def lost(call: int, judgement: Judgement) -> Judgement:
        nan = {n: torch.full((4,), math.nan) for n in judgement.values}
        return Judgement(values=nan, reasons=[{"bright": "too dark"}] * 4)

    with pytest.raises(RewardError, match="16 samples: bright: too dark"):
        kept_by(tmp_path, Judge(lost))
    assert left(tmp_path) == "failed"


def test_a_reward_above_its_limit_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    def rise(call: int, judgement: Judgement) -> Judgement:
        return Judgement(values={n: v + 9 * (call > 12) for n, v in judgement.values.items()})

    with pytest.raises(LimitError, match=r"rollout 4: the mean of bright is \d+\.\d+, above"):
        kept_by(tmp_path, Judge(rise), rewards={"bright": RewardTerm(stop_above=5.0)})
    assert left(tmp_path) == "failed step_000002.safetensors"


@both
def test_a_kl_above_its_limit_stops_the_run(tmp_path, algorithm):
    with pytest.raises(LimitError, match=r"the mean KL is .*, above alignment.rollouts.kl_limit"):
        kept_by(tmp_path, algorithm=algorithm, kl_limit=1e-4, lr=0.1)
    assert left(tmp_path).startswith("failed")


@pytest.mark.parametrize("algorithm", [GRPO(kl=0.0, sde_range=4), NFT(kl=0.0)], ids=["grpo", "nft"])
def test_a_limit_of_a_kl_that_is_not_measured_is_refused(tmp_path, algorithm):
    with pytest.raises(RolloutError, match=r"kl_limit needs alignment\..* above 0"):
        kept_by(tmp_path, algorithm=algorithm, kl_limit=1.0)


def test_a_tripwire_stops_the_run_before_the_checkpoint(tmp_path):
    hooks = Hooks(
        evaluate=lambda step: {"held_out": step / 2},
        tripwire=lambda step, measured: "look" if measured["held_out"] > 1 else None,
    )
    with pytest.raises(LimitError, match="rollout 4: look; the last checkpoint is the one before"):
        kept_by(tmp_path, hooks=hooks)
    assert left(tmp_path) == "failed step_000002.safetensors"


class Forgetful(Roller):
    """Learns with another velocity than it draws with, as under dropout."""

    def guided_velocity(self, *arguments, **named):
        velocity = super().guided_velocity(*arguments, **named)
        return lambda z, t: velocity(z, t) * (1 + 1e-3 * torch.is_grad_enabled())


def test_a_policy_that_is_not_the_one_that_drew_is_refused(tmp_path):
    with pytest.raises(RolloutError, match="rollout 1: before its first update the policy is"):
        kept_by(tmp_path, policy=Forgetful())
    assert left(tmp_path) == "failed"


def test_a_tolerance_lets_it_pass(tmp_path):
    kept_by(tmp_path, policy=Forgetful(), replay_tolerance=1.0, rollouts=2)
    assert left(tmp_path) == "finished step_000002.safetensors"


@both
def test_a_run_that_diverges_says_so_and_keeps_its_checkpoint(tmp_path, algorithm):
    policy = Roller()

    def spoil(done: int, total: int, note: str) -> None:
        if done == 3 and "drawing" not in note:
            policy.trainable()["up"].data.fill_(math.nan)

    with pytest.raises(TrainingError, match=r"hold NaN or infinity|not finite"):
        kept_by(tmp_path, hooks=Hooks(progress=spoil), policy=policy, algorithm=algorithm)
    assert left(tmp_path) == "failed step_000002.safetensors"


def test_a_gradient_that_is_not_finite_is_never_applied(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "likeness.alignment.grpo.learning.clip_grad_norm_", lambda *_: torch.tensor(math.inf)
    )
    policy = Roller()
    with pytest.raises(TrainingError, match="step 1: grad_norm is not finite on conditions"):
        kept_by(tmp_path, policy=policy)
    assert policy.up is not None and not policy.up.any()
    assert left(tmp_path) == "failed"


def test_an_unknown_reward_offers_the_nearest(tmp_path):
    with pytest.raises(AskedError, match=r"rewards\.brihgt: no such reward; did you mean bright"):
        kept_by(tmp_path, rewards={"brihgt": RewardTerm()})
