"""A group of a GRPO rollout on the tiny preset: the reference stream once, or in every forward.

"plain" is the loop as it is usually written: each row of a group brings its own condition, and the
network runs over all of it at every step. Both are timed in turn, in processor seconds; their
samples are compared.
"""

import time
from collections.abc import Callable
from statistics import median

import torch
from alignment import pairs_of
from torch import Tensor

from likeness.alignment.grpo.interface import Collected, Draw
from likeness.alignment.grpo.judging import Asked, GroupKey
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.model import Conditioning, Generator
from likeness.model.sampling.solvers import shifted_times
from likeness.model.sampling.stochastic import StochasticSampler, Trajectory, rollout

GROUP, STEPS, ROUNDS = 8, 6, 3
ALGORITHM = GRPO(sampler="cps", sde_steps=2, sde_range=4, variant="plain", kl=0.0)
CONFIG = RolloutConfig(group=GROUP, steps=STEPS)


def plain(generator: Generator, asked: Asked, draw: Draw, method: StochasticSampler) -> Trajectory:
    """Draw the group with a reference stream for every row and step."""
    settings = draw.settings(generator.sampler_settings)
    rows = Conditioning.stack([asked.condition] * GROUP)
    seeds = draw.seeds(2 * GROUP)
    return rollout(
        lambda z, t: generator.velocity(z, torch.as_tensor(t, dtype=z.dtype).expand(len(z)), rows),
        generator.noise(asked.condition, seeds[:1] * GROUP),
        method,
        times=shifted_times(settings.steps, settings.shift),
        seeds=seeds[GROUP:],
    )


def method_of(generator: Generator, asked: Asked, draw: Draw) -> StochasticSampler:
    """Take the sampler that the shared form draws with."""
    with torch.no_grad():
        method = ALGORITHM.collect(generator, asked, draw).settings.method
    assert isinstance(method, StochasticSampler)
    return method


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    generator = Generator.load("tiny")
    condition = pairs_of(generator).pairs[0].condition
    asked = Asked(key=GroupKey("person", "speech", "scene"), condition=condition)
    generator.add_lora(rank=16, alpha=16.0, seed=0)
    draw = Draw(config=CONFIG, rollout=0, place=0)
    drawn: dict[str, Tensor] = {}

    @torch.no_grad()
    def shared() -> Collected:
        collected = ALGORITHM.collect(generator, asked, draw)
        drawn["shared"] = collected.latents
        return collected

    method = method_of(generator, asked, draw)

    @torch.no_grad()
    def usual() -> None:
        drawn["plain"] = plain(generator, asked, draw, method).latents[-1]

    spent: dict[str, list[float]] = {"plain": [], "shared": []}
    rivals: dict[str, Callable[[], object]] = {"plain": usual, "shared": shared}
    for number in range(ROUNDS + 1):
        for name, form in rivals.items():
            begin = time.process_time()
            form()
            if number:  # the first warms up
                spent[name].append(time.process_time() - begin)
    apart = float((drawn["plain"] - drawn["shared"]).abs().max())
    print(f"a group of {GROUP}, {STEPS} steps, 48 reference frames; samples differ by {apart:.1e}")
    for name, times in spent.items():
        ratio = median(spent["plain"]) / median(times)
        print(f"  {name:8} {median(times):6.2f} s  {ratio:5.2f} x")


if __name__ == "__main__":
    main()
