"""Draw, judge, learn, again: an adapter trained on rewards, resumable to the bit."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from likeness.alignment.grpo.advantages import Advantages, advantages, evenly
from likeness.alignment.grpo.guards import (
    Tripwire,
    check_finite,
    check_kl,
    check_replay,
    check_rewards,
    check_samples,
    check_wire,
)
from likeness.alignment.grpo.interface import ORDER, Algorithm, Collected, Draw
from likeness.alignment.grpo.judging import AskedSet, Judgement, RewardFunction, check_names
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.masked_dpo import Evaluation, Outcome
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import (
    adapter_file,
    check_origin,
    resume_training,
    save_training,
    saved_beside,
    stream,
)
from likeness.store.progress import Progress, silent
from likeness.store.runs import RunFolder


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does: how it draws and learns, and by which algorithm of ALGORITHMS."""

    algorithm: Algorithm
    config: RolloutConfig

    @property
    def settings(self) -> dict[str, Any]:
        """All settings by name, for the run's origin."""
        name = type(self.algorithm).__name__.lower()
        return {**asdict(self.config), name: asdict(cast(Any, self.algorithm))}


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
        RolloutError: settings that don't fit the checkpoint, a replay that isn't the rollout, or a
            loss that is not finite. The last save is whole.
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


@torch.no_grad()
def collect(
    policy: SamplingPolicy,
    asked: AskedSet,
    reward: RewardFunction,
    plan: Plan,
    step: int,
    go_on: Callable[[int], bool] = lambda place: True,
) -> tuple[list[Collected], Judgement] | None:
    """Draw the groups of a rollout and have them judged.

    Args:
        policy: draws.
        asked: the conditions.
        reward: judges.
        plan: algorithm and settings.
        step: number of the rollout from 0.
        go_on: asked before each group with its place; where it says no, nothing comes back.

    """
    rollout: list[Collected] = []
    judgements: list[Judgement] = []
    names = list(plan.config.rewards)
    for place, number in enumerate(order(step, plan.config, len(asked))):
        if not go_on(place):
            return None
        draw = Draw(config=plan.config, rollout=step, place=place)
        collected = plan.algorithm.collect(policy, asked.conditions[number], draw)
        check_samples(collected)
        judged = reward(collected.asked.key, collected.latents)
        rollout.append(collected)
        judgements.append(
            Judgement(values={n: judged.values[n].cpu() for n in names}, reasons=judged.reasons)
        )
    return rollout, Judgement.joined(judgements)


def learn(
    policy: SamplingPolicy,
    rollout: Sequence[Collected],
    judgement: Judgement,
    plan: Plan,
    optimizer: torch.optim.Optimizer,
    step: int,
) -> dict[str, float]:
    """Learn from a judged rollout in a few updates; returns its row of the metrics."""
    config = plan.config
    check_rewards(judgement, config, step + 1)
    worth = advantages(
        judgement,
        [collected.asked.key for collected in rollout for _ in range(config.group)],
        config.rewards,
        scale=config.scale,
        ddof=config.ddof,
        clamp=config.clamp,
        veto_weight=config.veto_weight,
    )
    parts = [slice(i * config.group, (i + 1) * config.group) for i in range(len(rollout))]
    (chosen,) = evenly([[bool(worth.spread[part].any()) for part in parts]])
    rows = []
    for number, share in enumerate(np.array_split(np.array(chosen, int), config.updates)):
        if len(share):
            groups = [(rollout[i], worth.values[parts[i]], worth.counts[parts[i]]) for i in share]
            exact = number == 0 and plan.algorithm.old_decay == 0
            rows.append(update(policy, groups, plan, optimizer, step + 1, exact=exact))
    learnt = {name: float(np.mean([row[name] for row in rows])) for name in (rows or [{}])[0]}
    check_kl(learnt.get("kl"), config, step + 1)
    return _rewards_row(judgement, worth, config) | {"groups": len(chosen)} | learnt


def update(
    policy: SamplingPolicy,
    groups: Sequence[tuple[Collected, Tensor, Tensor]],
    plan: Plan,
    optimizer: torch.optim.Optimizer,
    step: int,
    *,
    exact: bool,
) -> dict[str, float]:
    """Take one optimizer step on groups, gradients added up group by group.

    Every sample that counts has the same share of the loss, however the groups divide them.

    Args:
        policy: learns.
        groups: samples, advantages (G,) and which count (G,).
        plan: algorithm and settings.
        optimizer: over the policy's adapter.
        step: number of the rollout, for messages.
        exact: whether the policy is still the one that drew the samples, which is then checked.

    """
    optimizer.zero_grad()
    total = sum(int(counts.sum()) for _, _, counts in groups)
    metrics: dict[str, float] = {}
    for collected, advantage, counts in groups:
        device = collected.latents.device
        learnt = plan.algorithm.learn(policy, collected, advantage.to(device), counts.to(device))
        if exact:
            check_replay(learnt.departure, plan.config, step)
        share = int(counts.sum()) / total
        (learnt.loss * share).backward()
        for name, value in learnt.metrics.items():
            metrics[name] = metrics.get(name, 0.0) + share * float(value)
    parameters = [p for p in policy.trainable().values() if p.grad is not None]
    metrics["grad_norm"] = float(clip_grad_norm_(parameters, plan.config.grad_clip))
    check_finite(metrics, [collected for collected, _, _ in groups], step)
    optimizer.step()
    return metrics


def order(step: int, config: RolloutConfig, conditions: int) -> list[int]:
    """Choose the conditions of a rollout: permutations of all, one after the other."""
    places = range(step * config.groups, (step + 1) * config.groups)
    epochs = {
        epoch: torch.randperm(conditions, generator=stream(config.seed, ORDER, epoch)).tolist()
        for epoch in {place // conditions for place in places}
    }
    return [epochs[place // conditions][place % conditions] for place in places]


class OldPolicy:
    """The policy that draws samples: the present one, or a moving average of the past.

    Args:
        policy: the present one.
        decay: how much of the old one stays after a rollout.
        saved: tensors of an earlier part of the run.

    """

    def __init__(self, policy: SamplingPolicy, decay: float, saved: Mapping[str, Tensor]) -> None:
        self.policy = policy
        self.decay = decay
        self.tensors: dict[str, Tensor] = {}
        if decay:
            self.tensors = dict(saved) or policy.lora_state()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it the policy has the old weights."""
        if not self.decay:
            yield
            return
        present = self.policy.lora_state()
        self.policy.load_lora(self.tensors)
        try:
            yield
        finally:
            self.policy.load_lora(present)

    def follow(self) -> None:
        """Move towards the present policy."""
        if self.decay:
            present = self.policy.lora_state()
            self.tensors = {n: t.lerp(present[n], 1 - self.decay) for n, t in self.tensors.items()}


def _rewards_row(
    judgement: Judgement, worth: Advantages, config: RolloutConfig
) -> dict[str, float]:
    row: dict[str, float] = {}
    for name, values in judgement.values.items():
        known = values[torch.isfinite(values)].double()
        if len(known):
            row[f"reward_{name}"] = float(known.mean())
        if len(known) > config.ddof:
            row[f"reward_{name}_std"] = float(known.std(correction=config.ddof))
        row[f"reward_{name}_missing"] = len(values) - len(known)
    row["vetoed"] = float(worth.vetoed.float().mean())
    row["left_out"] = sum(worth.left_out.values())
    row["zero_std"] = worth.zero_std
    return row


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
