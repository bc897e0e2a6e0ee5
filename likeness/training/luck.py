"""Everything random about a step's batch, drawn on the CPU for all its rows at once.

It depends on seed, stage and step alone: not on the device, nor on how many processes share the
rows, nor on where a run was killed.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning
from likeness.training.batch import Wish
from likeness.training.flow_matching import draw_times
from likeness.training.movement import MovementTimes, movement_times
from likeness.training.stages import Stage


def dice(seed: int, stage: int, step: int) -> tuple[np.random.Generator, torch.Generator]:
    """Make the generators of a step: one chooses the windows, one draws all the rest."""
    rng = np.random.default_rng([seed, step, stage])
    return rng, torch.Generator().manual_seed(int(rng.integers(2**62)))


def wish(rng: np.random.Generator, stage: Stage, motion_latents: int) -> Wish:
    """Draw what kind of batch a step has."""
    go_on, with_anchor = rng.random(2) < (stage.continued, stage.anchored)
    return Wish(
        batch=stage.batch,
        pairing=stage.pairing,
        reference_frames=int(rng.choice(list(stage.reference_frames))),
        motion=motion_latents if go_on else 0,
        anchor=bool(go_on and with_anchor),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Luck:
    """What is drawn for a batch.

    Attributes:
        level: (B,) of the noise on motion latents, or None without any.
        motion_noise: (B, C, M, h, w), or None.
        chance: (4, B) in 0..1: whether text, audio, reference and its sound are withheld.
        t: (B,) times.
        noise: (B, C, T, h, w).
        seed: of whatever else is drawn for all rows alike.
        movement: what becomes of the rows' movement, or None without a stream for it.
        movement_noise: (B, T, size), or None.
        drop_manner: (B,) in 0..1: whether the reference's manner is withheld.

    """

    level: Tensor | None
    motion_noise: Tensor | None
    chance: Tensor
    t: Tensor
    noise: Tensor
    seed: int
    movement: MovementTimes | None = None
    movement_noise: Tensor | None = None
    drop_manner: Tensor | None = None

    @classmethod
    def draw(
        cls,
        generator: torch.Generator,
        stage: Stage,
        clean: torch.Size,
        motion: torch.Size | None,
        moving: int = 0,
    ) -> "Luck":
        """Draw for rows of these shapes (B, C, T, h, w), with so many numbers of movement."""
        rows = clean[0]
        level = noise = None
        if motion is not None:
            level = stage.motion_noise * torch.rand(rows, 1, 1, 1, 1, generator=generator)
            noise = torch.randn(motion, generator=generator)
        drawn = cls(
            level=None if level is None else level.flatten(),
            motion_noise=noise,
            chance=torch.rand(4, rows, generator=generator),
            t=draw_times(rows, stage.time_location, generator, kind=stage.times),
            noise=torch.randn(clean, generator=generator),
            seed=int(torch.randint(2**62, (), generator=generator)),
        )
        if stage.movement is None or not moving:
            return drawn
        return replace(
            drawn,
            movement=movement_times(rows, stage.movement, generator, location=stage.time_location),
            movement_noise=torch.randn(rows, clean[2], moving, generator=generator),
            drop_manner=torch.rand(rows, generator=generator),
        )

    def rows(self, rows: slice) -> "Luck":
        """Keep some rows."""
        return Luck(
            level=None if self.level is None else self.level[rows],
            motion_noise=None if self.motion_noise is None else self.motion_noise[rows],
            chance=self.chance[:, rows],
            t=self.t[rows],
            noise=self.noise[rows],
            seed=self.seed,
            movement=None if self.movement is None else self.movement.rows(rows),
            movement_noise=None if self.movement_noise is None else self.movement_noise[rows],
            drop_manner=None if self.drop_manner is None else self.drop_manner[rows],
        )

    def to(self, device: torch.device) -> "Luck":
        """Move all tensors."""
        moved: dict[str, Any] = {}
        for name, value in vars(self).items():
            moved[name] = value.to(device) if isinstance(value, Tensor | MovementTimes) else value
        return Luck(**moved)

    def blur(self, cond: Conditioning) -> Conditioning:
        """Put the noise on the motion latents."""
        if cond.motion is None or self.level is None or self.motion_noise is None:
            return cond
        return replace(
            cond, motion=cond.motion + self.level.view(-1, 1, 1, 1, 1) * self.motion_noise
        )

    def withhold(self, cond: Conditioning, stage: Stage) -> Conditioning:
        """Leave out what the stage doesn't teach, and other parts of rows at random."""
        deaf, alone = stage.teaches == "text", stage.teaches != "reference"
        return cond.without(
            text=self.chance[0] < stage.drop_text,
            audio=self.chance[1] < (1.0 if deaf else stage.drop_audio),
            reference=self.chance[2] < (1.0 if alone else stage.drop_reference),
            reference_audio=self.chance[3] < (1.0 if alone else stage.drop_reference_audio),
        )
