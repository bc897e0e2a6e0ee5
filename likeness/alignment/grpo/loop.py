"""Draw, judge, learn, again: an adapter trained on rewards, resumable to the bit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from likeness.alignment.grpo.drawing import OldPolicy, collect
from likeness.alignment.grpo.guards import check_wire
from likeness.alignment.grpo.interface import Plan
from likeness.alignment.grpo.judging import AskedSet, RewardFunction, check_names
from likeness.alignment.grpo.learning import learn
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.guards import Tripwire
from likeness.alignment.masked_dpo import Evaluation, Outcome
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import (
    adapter_file,
    check_origin,
    resume_training,
    save_training,
    saved_beside,
)
from likeness.store.progress import Progress, silent
from likeness.store.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What a run tells and asks on its way.

    Attributes:
        progress: told after every group that is drawn and every rollout.
        evaluate: called with the step before each save; its values become a row of the metrics.
        tripwire: called with the step and these values before each save; what it says stops the
            run without saving.

    """

    progress: Progress = silent
    evaluate: Evaluation | None = None
    tripwire: Tripwire | None = None


def train(
    policy: SamplingPolicy,
    asked: AskedSet,
    reward: RewardFunction,
    plan: Plan,
    run: RunFolder,
    hooks: Hooks | None = None,
) -> Outcome:
    """Train an adapter on rewards, from where the run stands to its last rollout.

    A run that was killed at any moment and is called again with the same arguments ends with the
    same bytes as one that never stopped: chance is a function of seed and rollout.

    Args:
        policy: a generator without adapter; it carries the trained one afterwards.
        asked: the conditions.
        reward: judges the samples.
        plan: algorithm and settings.
        run: its folder; takes state, metrics and checkpoints. A step is a rollout.
        hooks: progress, evaluation and tripwire.

    Raises:
        RunError: another process holds the run, or it was started with something else.
        AskedError: a reward that nobody gives; the nearest name is offered.
        RewardError: no sample of a rollout has its rewards.
        LimitError: a reward or the KL is above its limit, or a tripwire rang.
        RolloutError: settings that don't fit the checkpoint, or a replay that isn't the rollout.
        TrainingError: a loss or gradient that is not finite. The last save is whole.
        DiskFullError: what was saved before stays.

    """
    hooks, config, algorithm = hooks or Hooks(), plan.config, plan.algorithm
    check_names(list(config.rewards), reward.names)
    algorithm.check(config, config.steps or policy.sampler_settings.steps)
    origin = {
        "config": plan.settings,
        "dataset": asked.hash,
        "rewards": reward.hash,
        "base": policy.hash,
    }
    check_origin(run, origin)
    policy.add_lora(rank=config.lora_rank, alpha=config.lora_alpha, seed=config.seed)
    optimizer = torch.optim.AdamW(policy.trainable().values(), lr=config.lr, weight_decay=0.0)
    with run.running():
        step = resume_training(run, policy, optimizer)
        old = OldPolicy(policy, algorithm.old_decay, saved_beside(run))
        stopping = False
        while step < config.rollouts and not stopping:
            with old.at_work():
                drawn = collect(policy, asked, reward, plan, step, _told(run, hooks, step, config))
            if drawn is not None:
                row = learn(policy, *drawn, plan, optimizer, step)
                old.follow()
                step += 1
                run.metrics.append({"step": step, **row})
                hooks.progress(step, config.rollouts, _note(row))
            due = step % config.save_every == 0 or step == config.rollouts
            stopping = drawn is None or run.stop_requested
            if due and drawn is not None:
                measured = {} if hooks.evaluate is None else dict(hooks.evaluate(step))
                if measured:
                    run.metrics.append({"step": step, **measured})
                check_wire(hooks.tripwire, step, measured)
            if due or stopping:
                save_training(run, policy, optimizer, step, origin, old.tensors)
        finished = step == config.rollouts
        run.mark("finished" if finished else "stopped", message="" if finished else "on request")
    return Outcome(step=step, finished=finished, adapter=adapter_file(run, step))


def _told(run: RunFolder, hooks: Hooks, step: int, config: RolloutConfig) -> Callable[[int], bool]:
    def go_on(place: int) -> bool:
        note = f"drawing group {place + 1} of {config.groups}"
        hooks.progress(step, config.rollouts, note)
        return not run.stop_requested

    return go_on


def _note(row: Mapping[str, float]) -> str:
    rewards = [
        f"{name.removeprefix('reward_')} {value:.3f}"
        for name, value in row.items()
        if name.startswith("reward_") and f"{name}_missing" in row
    ]
    return ", ".join(rewards)
