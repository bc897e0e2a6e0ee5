"""What stops a run before it does harm; the last good checkpoint stays."""

from collections.abc import Mapping

import torch

from likeness.alignment.grpo.interface import Collected
from likeness.alignment.grpo.judging import Judgement
from likeness.alignment.grpo.settings import RolloutConfig, RolloutError
from likeness.alignment.guards import GuardError, Tripwire


class LimitError(RolloutError, GuardError):
    """A run that was stopped by a guard, not by a fault."""


def check_samples(collected: Collected) -> None:
    """Refuse samples that are not finite, before anybody judges them."""
    if not bool(torch.isfinite(collected.latents).all()):
        raise RolloutError(
            f"samples of condition {tuple(collected.asked.key)} hold NaN or infinity: the policy "
            "is broken; go on from an earlier checkpoint with a lower alignment.rollouts.lr"
        )


def check_replay(departure: float, config: RolloutConfig, step: int) -> None:
    """Refuse to learn when the policy doesn't recognise its own samples.

    Before the first update every ratio is exactly 1. Where it is not, something differs between
    drawing and learning (dropout, types, batch shapes, conditions), and ratios mean nothing.
    """
    if not departure <= config.replay_tolerance:
        raise RolloutError(
            f"rollout {step}: before its first update the policy is {departure:.3g} away from the "
            f"one that drew the samples, at most {config.replay_tolerance:g} allowed "
            "(alignment.rollouts.replay_tolerance): drawing and learning differ"
        )


def check_rewards(judgement: Judgement, config: RolloutConfig, step: int) -> None:
    """Stop where a reward's mean has risen above its limit."""
    for name, term in config.rewards.items():
        values = judgement.values[name]
        known = values[torch.isfinite(values)]
        if term.stop_above is not None and len(known) and float(known.mean()) > term.stop_above:
            raise LimitError(
                f"rollout {step}: the mean of {name} is {float(known.mean()):.4g}, above "
                f"alignment.rollouts.rewards.{name}.stop_above = {term.stop_above:g}: look at the "
                "clips; the last checkpoint is the one before"
            )


def check_kl(kl: float | None, config: RolloutConfig, step: int) -> None:
    """Stop where the policy has gone too far from the base."""
    if config.kl_limit is not None and kl is not None and kl > config.kl_limit:
        raise LimitError(
            f"rollout {step}: the mean KL is {kl:.4g}, above alignment.rollouts.kl_limit = "
            f"{config.kl_limit:g}; the last checkpoint is the one before"
        )


def check_wire(wire: Tripwire | None, step: int, measured: Mapping[str, float]) -> None:
    """Stop where a tripwire rings."""
    said = None if wire is None else wire(step, measured)
    if said is not None:
        raise LimitError(f"rollout {step}: {said}; the last checkpoint is the one before")
