"""What can be known of a run of DPO before it is paid for, from one batch."""

import math
import resource
import time
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from likeness.alignment.dpo.beginning import begin
from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.dpo.drawing import data_order, draw_noise
from likeness.alignment.masked_dpo import masked_dpo
from likeness.alignment.policy import Policy
from likeness.alignment.preference import Batch, PreferenceSet
from likeness.store.progress import Progress, silent

LR = 1e-3
"""Of learning a batch by heart: a recipe's own is too small to show anything in a few steps."""

BANDS = 5
SPREAD = 1000.0
"""Times that the largest gradient of a band of t may be the smallest's: beyond it Adam sees one
band alone."""

EXACT = 1e-4


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at: whether it is as it should be, and what was found."""

    name: str
    good: bool
    told: str


def examine(
    policy: Policy,
    dataset: PreferenceSet,
    config: MaskedDPOConfig,
    steps: int = 20,
    progress: Progress = silent,
) -> list[Check]:
    """Check the loss before the first step, its gradient by t, one batch learnt, and the memory.

    Args:
        policy: a generator without adapter; it is spent afterwards.
        dataset: the pairs.
        config: the settings.
        steps: of learning one batch by heart.
        progress: told after every step.

    """
    begin(policy, config)
    parameters = list(policy.trainable().values())
    device = parameters[0].device
    batch = dataset.batch(data_order(0, config, len(dataset)), device)
    checks = [_at_zero(policy, batch, config), _gradients(policy, batch, config, parameters)]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    begun = time.perf_counter()
    checks.append(_by_heart(policy, batch, config, steps, progress))
    seconds = (time.perf_counter() - begun) / steps
    return [*checks, _memory(device, seconds, config)]


def _at_zero(policy: Policy, batch: Batch, config: MaskedDPOConfig) -> Check:
    """Compare the loss of a model that is its reference with its closed form."""
    with torch.no_grad():
        _, metrics = masked_dpo(policy, batch, *draw_noise(0, config, batch), config)
    ties = batch.weight.new_zeros(len(batch.ids)) if batch.verdict is None else batch.verdict.tie
    tied = config.ties != "left_out"
    expected = sum(
        weight * config.link.at_zero(config.beta, tie=tied and bool(tie))
        for weight, tie in zip(batch.weight.tolist(), ties.tolist(), strict=True)
    ) / len(batch.ids)
    found, drift = metrics["dpo"].item(), metrics["drift"].item()
    good = drift < EXACT**2 and math.isclose(found, expected, rel_tol=EXACT)
    told = f"loss {found:.6g}, {expected:.6g} expected; the model differs from its reference by "
    return Check(name="loss before a step", good=good, told=told + f"{drift:.3g}")


def _gradients(
    policy: Policy, batch: Batch, config: MaskedDPOConfig, parameters: list[torch.nn.Parameter]
) -> Check:
    """Norm of the gradient in bands of t: where it comes from, and whether there is any."""
    low, high = config.timesteps
    norms: list[float] = []
    for band in range(BANDS):
        t = low + (high - low) * (band + 0.5) / BANDS
        _, noise = draw_noise(band, config, batch)
        times = torch.full((len(noise),), t, device=noise.device)
        total = masked_dpo(policy, batch, times, noise, config)[0].total
        found = torch.autograd.grad(total, parameters, allow_unused=True)
        norms.append(_norm([g for g in found if g is not None]))
    good = all(map(math.isfinite, norms)) and 0 < max(norms) <= SPREAD * min(norms)
    told = ", ".join(
        f"{low + (high - low) * (band + 0.5) / BANDS:.2f}: {norm:.3g}"
        for band, norm in enumerate(norms)
    )
    return Check(name="gradient by t", good=good, told=told)


def _by_heart(
    policy: Policy, batch: Batch, config: MaskedDPOConfig, steps: int, progress: Progress
) -> Check:
    """Learn one batch at one noise: a preference that isn't learnt here never is."""
    t, noise = draw_noise(0, config, batch)
    alone = replace(config, lambda_mse=0.0, lambda_dpo=1.0, anchor_outside=0.0)
    optimizer = torch.optim.AdamW(policy.trainable().values(), lr=LR, weight_decay=0.0)
    losses: list[float] = []
    for step in range(steps + 1):
        terms, metrics = masked_dpo(policy, batch, t, noise, alone)
        losses.append(metrics["dpo"].item())
        if step == steps:
            break
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        progress(step + 1, steps, f"one batch, loss {losses[-1]:.3f}")
    told = f"loss {losses[0]:.4g} to {losses[-1]:.4g} in {steps} steps at lr {LR:g}"
    return Check(
        name="one batch by heart",
        good=math.isfinite(losses[-1]) and losses[-1] < losses[0],
        told=told,
    )


def _memory(device: torch.device, seconds: float, config: MaskedDPOConfig) -> Check:
    """Peak memory and time: told, and good wherever the steps were taken."""
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device) / 2**30
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    whole = seconds * config.steps / 60
    told = f"{peak:.2f} GiB, {seconds:.2f} s a step, {whole:.1f} minutes for {config.steps} steps"
    return Check(name="memory and time", good=True, told=told)


def _norm(gradients: list[Tensor]) -> float:
    return get_total_norm(gradients).item() if gradients else 0.0
