"""What it costs a generator to look at a reference."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from likeness.cli.loop.studio import BATCH, Sampler, Studio
from likeness.model.cost.accounting import Sizes, reference_self_attention
from likeness.model.cost.tokens import Streams
from likeness.model.sampling.solvers import Velocity
from likeness.store.progress import Progress, silent
from likeness.store.records import Condition

STEPS = 9


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Conditions, and the sampler that says how much of them is seen."""

    conditions: Sequence[Condition]
    sampler: Sampler


def reference_cost(studio: Studio, shown: Shown) -> tuple[float, int]:
    """Count tokens of the reference, mean over the conditions, and FLOPs.

    The FLOPs are those of one Reference Self-Attention layer at the mean tokens (TAVR, Table 4).
    """
    config, kept, seen = studio.generator.config, [], []
    for start in range(0, len(shown.conditions), BATCH):
        cond = studio.conditioning(shown.conditions[start : start + BATCH], shown.sampler)
        kept.append(cond.reference_keep.float())
        seen.append(cond.background_keep.float())
    reference, background = torch.cat(kept), torch.cat(seen)
    streams = Streams.of(
        config,
        reference_frames=shown.sampler.reference_frames or config.reference_frames,
        face_share=float(reference.mean()),
        background_share=float(background.mean()),
    )
    flops = reference_self_attention(Sizes.of(config.transformer), streams)
    return float(reference.sum(1).mean()), flops


@torch.no_grad()
def step_times(
    studio: Studio, rivals: Mapping[str, Shown], progress: Progress = silent
) -> dict[str, float]:
    """Milliseconds of a guided step for one condition, by rival: the median of STEPS.

    The rivals, all of as many conditions, take turns, so that other work on the machine slows
    them alike.
    """
    steps: dict[str, Velocity] = {}
    rows = 0
    for name, shown in rivals.items():
        cond, rows = studio.conditioning(shown.conditions, shown.sampler), len(shown.conditions)
        steps[name] = studio.generator.guided_velocity(
            cond, shown.sampler.settings(studio.generator.sampler_settings)
        )
    noise = torch.randn(
        (rows, *studio.generator.latent_shape), generator=torch.Generator().manual_seed(0)
    )
    times: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(STEPS + 1):  # the first warms up
        for name, step in steps.items():
            start = time.perf_counter()
            step(noise, 0.5)
            times[name].append(time.perf_counter() - start)
        progress(turn, STEPS, "timing")
    return {name: 1000 * median(found[1:]) / rows for name, found in times.items()}
