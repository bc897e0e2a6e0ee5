"""What is drawn at a step: pairs, times and noise, from the seed and the step alone."""

from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

import torch
from torch import Tensor

from likeness.alignment.dpo.config import MaskedDPOConfig
from likeness.alignment.preference import Batch
from likeness.alignment.training_state import stream

ORDER, NOISE, FIXED = 0, 1, 2


class Place(NamedTuple):
    """A pair's turn: its number, and how often it has had one before."""

    pair: int
    epoch: int


def places(step: int, config: MaskedDPOConfig, pairs: int) -> list[Place]:
    """Choose the pairs of a step: permutations of all, one after the other."""
    turns = range(step * config.batch, (step + 1) * config.batch)
    order = {
        epoch: torch.randperm(pairs, generator=stream(config.seed, ORDER, epoch)).tolist()
        for epoch in {turn // pairs for turn in turns}
    }
    return [Place(order[turn // pairs][turn % pairs], turn // pairs) for turn in turns]


def data_order(step: int, config: MaskedDPOConfig, pairs: int) -> list[int]:
    """Choose the numbers of the pairs of a step."""
    return [place.pair for place in places(step, config, pairs)]


def draw_noise(
    step: int, config: MaskedDPOConfig, batch: Batch, share: slice | None = None
) -> tuple[Tensor, Tensor]:
    """Draw fresh timesteps (N,) and noise (N, C, T, h, w) of a step.

    N is draws x B, all pairs once and then all again. Drawn on the CPU: alike everywhere.

    Args:
        step: from 0.
        config: seed, draws and range of times.
        batch: B pairs.
        share: which of the step's `config.batch` pairs these are, where they are not all: their
            draws are those that they have among all.

    """
    generator = stream(config.seed, NOISE, step)
    rows, *shape = batch.winner.shape
    whole = rows if share is None else config.batch
    chance = torch.rand(whole * config.draws, generator=generator)
    noise = torch.randn(whole * config.draws, *shape, generator=generator)
    if rows != whole:
        chance = chance.view(config.draws, whole)[:, share].flatten()
        noise = noise.view(config.draws, whole, *shape)[:, share].flatten(0, 1)
    device = batch.winner.device
    return _times(config, chance).to(device), noise.to(device)


@dataclass(frozen=True, kw_only=True)
class FixedDraw:
    """One of the (t, noise) that a pair has in the whole run."""

    pair: str
    number: int

    def draw(self, config: MaskedDPOConfig, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Draw t () and noise (C, T, h, w)."""
        name = int.from_bytes(sha256(self.pair.encode()).digest()[:8], "big")
        generator = stream(config.seed, FIXED, name, self.number)
        t = _times(config, torch.rand((), generator=generator))
        return t, torch.randn(shape, generator=generator)


def fixed_draws(config: MaskedDPOConfig, batch: Batch, turns: list[Place]) -> list[FixedDraw]:
    """Choose the draws of a step, in the order of `draw_noise`: each pair's in turn."""
    return [
        FixedDraw(pair=name, number=(turn.epoch * config.draws + again) % config.fixed_draws)
        for again in range(config.draws)
        for name, turn in zip(batch.ids, turns, strict=True)
    ]


def _times(config: MaskedDPOConfig, chance: Tensor) -> Tensor:
    low, high = config.timesteps
    return low + (high - low) * chance
