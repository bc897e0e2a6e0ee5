"""From judged samples to a few optimizer steps."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from likeness.alignment.grpo.advantages import Advantages, advantages, evenly
from likeness.alignment.grpo.guards import check_kl, check_replay, check_rewards
from likeness.alignment.grpo.interface import Collected, Plan
from likeness.alignment.grpo.judging import Judgement
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.guards import check_finite
from likeness.alignment.policy import SamplingPolicy

ADVICE = "start a new run from the last checkpoint with a lower alignment.rollouts.lr"


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
    keys = ", ".join(str(tuple(collected.asked.key)) for collected, _, _ in groups)
    check_finite(metrics, step, f"on conditions {keys}", ADVICE)
    optimizer.step()
    return metrics


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
