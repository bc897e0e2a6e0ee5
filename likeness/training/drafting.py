"""Clips as the generator leaves them, beside the true ones: what a decoder has to put right."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from likeness.model.generator import Generator
from likeness.store.progress import Progress, silent
from likeness.training.batch import RegionWeights, Wish
from likeness.training.state import write_state
from likeness.training.talking_set import TalkingSet
from likeness.training.windows import BatchMaker


@dataclass(frozen=True, kw_only=True)
class DraftConfig:
    """How drafts are made.

    Attributes:
        count: how many clips.
        batch: made at once.
        times: the true clip is noised to one of these and generated from there, so that the draft
            shows the same pose as the truth and the generator's own errors in everything else.
        steps: of Euler's method from there to 0.

    """

    count: int = 480
    batch: int = 24
    times: tuple[float, ...] = (0.4, 0.6, 0.8)
    steps: int = 4
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Drafts:
    """Generated latents and where in the talking set their true frames are.

    Attributes:
        latents: (N, C, T, h, w).
        where: (N, 3) person, scene and first frame.

    """

    latents: Tensor
    where: Tensor

    def save(self, path: Path) -> None:
        """Write both tensors, at once or not at all."""
        write_state(path, {"latents": self.latents, "where": self.where})

    @classmethod
    def load(cls, path: Path) -> "Drafts":
        """Read what :meth:`save` wrote."""
        return cls(**torch.load(path, weights_only=True))


@torch.no_grad()
def make_drafts(
    generator: Generator, data: TalkingSet, config: DraftConfig, progress: Progress = silent
) -> Drafts:
    """Generate clips from half-noised true ones (Meng et al. 2022, SDEdit)."""
    maker = BatchMaker(data, generator)
    wish = Wish(
        batch=config.batch,
        pairing="cross",
        reference_frames=generator.config.reference_frames,
    )
    latents, where = [], []
    for number in range(-(-config.count // config.batch)):
        rng = np.random.default_rng([config.seed, number])
        draw = maker.draw(rng, wish)
        made = maker.make(draw, RegionWeights())
        clean, cond = made.clean, made.cond
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        start = config.times[number % len(config.times)]
        z = (1 - start) * clean + start * torch.randn(clean.shape, generator=chance)
        shared = generator.encode_reference(cond)
        times = np.linspace(start, 0.0, config.steps + 1).tolist()
        for t, following in pairwise(times):
            velocity = generator.velocity(z, torch.full((len(z),), t), cond, shared=shared)
            z = z + (following - t) * velocity
        latents.append(z)
        places = np.stack([draw.person, draw.target_scene, draw.target_start], 1)
        where.append(torch.from_numpy(places))
        progress(min(config.count, (number + 1) * config.batch), config.count, "drafts")
    return Drafts(
        latents=torch.cat(latents)[: config.count], where=torch.cat(where)[: config.count]
    )
