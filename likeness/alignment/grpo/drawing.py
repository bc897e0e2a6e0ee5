"""Samples of the conditions that are due, judged: one rollout."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from likeness.alignment.grpo.guards import check_samples
from likeness.alignment.grpo.interface import ORDER, Collected, Draw, Plan
from likeness.alignment.grpo.judging import AskedSet, Judgement, RewardFunction
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.policy import SamplingPolicy
from likeness.alignment.training_state import stream


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
