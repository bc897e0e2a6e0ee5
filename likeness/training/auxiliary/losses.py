from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from likeness.model.config import ModelError
from likeness.model.generator import Generator
from likeness.rewards.lipsync import FPS
from likeness.training.auxiliary.config import AuxiliaryConfig
from likeness.training.auxiliary.identity import identity_rows
from likeness.training.auxiliary.judges import Judges
from likeness.training.auxiliary.lip_sync import lip_sync_rows
from likeness.training.auxiliary.motion import motion_rows
from likeness.training.auxiliary.perceptual import perceptual_rows, pixel_rows
from likeness.training.auxiliary.prediction import (
    Scene,
    decode_scene,
    draw_window,
    predicted_clean,
)
from likeness.training.auxiliary.rows import Rows
from likeness.training.batch import Batch

NEEDS: Mapping[str, tuple[str, ...]] = {
    "identity": ("five", "portrait"),
    "lip_sync": ("audio",),
    "motion": ("five",),
    "perceptual": (),
    "pixels": (),
}
"""Fields of a batch without which a loss can't be had."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AuxiliaryResult:
    """The losses of one batch.

    Attributes:
        losses: a scalar each, differentiable, not yet weighted; those that no row counts for are
            left out.
        counted: how many rows each is the mean of, 0 too.
        rows: how many rows were looked at.
        total: weighted sum of the losses; None where there is none.

    """

    losses: dict[str, Tensor]
    counted: dict[str, int]
    rows: int
    total: Tensor | None


class AuxiliaryLosses:
    """Decodes the clean clip that the velocity stands for and lets networks look at its face.

    The mean over the rows that count is of errors times (1 - t)^2, the power of the clip in z_t:
    what is nearer to noise says less of the truth and weighs less. A row that follows given
    movement is told what it must show, at any time: its motion counts in full, noise or not (Avatar
    V's closed loop). The networks and the codec get no gradient; all of it goes to the velocity.

    Args:
        config: which losses.
        generator: whose codec decodes.
        judges: the networks, as ``Judges.load`` gives them; copied to the generator's device.

    Raises:
        ModelError: a loss has a weight and no network, or SyncNet doesn't know the clip's rate.

    """

    def __init__(self, config: AuxiliaryConfig, generator: Generator, judges: Judges) -> None:
        self.config = config
        self.codec = generator.codec
        self.judges = judges.to(generator.transformer.device)
        if config.lip_sync and generator.config.fps != FPS:
            raise ModelError(
                f"training.auxiliary.lip_sync needs {FPS:g} frames a second, the generator makes "
                f"{generator.config.fps:g}: set lip_sync = 0"
            )
        scale = generator.movement
        looks = _looks(config, self.judges, None if scale is None else torch.tensor(scale.std))
        for name in config.wanted:
            if name not in looks:
                raise ModelError(
                    f"training.auxiliary.{name} has a weight and its network was not loaded: load "
                    "the judges with the same settings"
                )
        self._looks = {name: looks[name] for name in config.wanted}

    def __call__(
        self,
        z_t: Tensor,
        t: Tensor,
        velocity: Tensor,
        batch: Batch,
        chance: torch.Generator,
        *,
        followed: Tensor | None = None,
    ) -> AuxiliaryResult:
        """Look at the clip that a velocity stands for.

        Args:
            z_t: (B, C, T, h, w) noisy latents.
            t: (B,) times in 0..1.
            velocity: (B, C, T, h, w) of the network at z_t.
            batch: with the truth; rows with t below ``below`` are looked at, and those that follow.
            chance: draws the window of latent frames, once a call whatever the rows.
            followed: (B,) bool, rows that follow the truth's movement; None for no row.

        Raises:
            ModelError: the data have not what a loss needs, in any row.

        """
        for name in self._looks:
            for field in NEEDS[name]:
                if getattr(batch, field) is None:
                    raise ModelError(
                        f"training.auxiliary.{name} needs the data's {field}, and they have none: "
                        f"set {name} = 0, or prepare the data with it"
                    )
        motion = 0 if batch.cond.motion is None else batch.cond.motion.shape[2]
        window = draw_window(z_t.shape[2] + motion, motion, self.config.latent_window, chance)
        near = t < self.config.below
        led = torch.zeros_like(near)
        if followed is not None and "motion" in self._looks:
            led = followed.to(near)
        looked = (near | led).nonzero()[:, 0]
        if not self._looks or not len(looked):
            counted = dict.fromkeys(self._looks, 0)
            return AuxiliaryResult(losses={}, counted=counted, rows=0, total=None)
        clean = predicted_clean(z_t[looked], t[looked], velocity[looked])
        scene = decode_scene(self.codec, clean, batch[looked], window)
        near, led, strength = near[looked], led[looked], (1 - t[looked]) ** 2
        found: dict[str, Rows] = {}
        for name, look in self._looks.items():
            rows, of_motion = look(scene), name == "motion"
            weight = torch.where(led, 1.0, strength) if of_motion else strength
            counted = rows.counted & (near | led if of_motion else near).to(rows.counted.device)
            found[name] = Rows(error=rows.error * weight, counted=counted)
        losses = {
            name: rows.error[rows.counted].mean()
            for name, rows in found.items()
            if bool(rows.counted.any())
        }
        parts = [getattr(self.config, name) * loss for name, loss in losses.items()]
        return AuxiliaryResult(
            losses=losses,
            counted={name: int(rows.counted.sum()) for name, rows in found.items()},
            rows=len(looked),
            total=torch.stack(parts).sum() if parts else None,
        )


def _looks(
    config: AuxiliaryConfig, judges: Judges, spread: Tensor | None
) -> dict[str, Callable[[Scene], Rows]]:
    """Give the losses that these networks can judge; ``spread`` is the movement's, if known."""
    found: dict[str, Callable[[Scene], Rows]] = {"pixels": lambda s: pixel_rows(s, config.crop)}
    recogniser, syncnet = judges.recogniser, judges.syncnet
    landmarker, layout = judges.landmarker, judges.layout
    if recogniser is not None:
        found["identity"] = lambda s: identity_rows(s, recogniser)
    if syncnet is not None:
        found["lip_sync"] = lambda s: lip_sync_rows(s, syncnet)
    if landmarker is not None and layout is not None:
        found["motion"] = lambda s: motion_rows(s, landmarker, layout, spread)
    if judges.features is not None:
        found["perceptual"] = lambda s: perceptual_rows(s, judges, config.crop)
    return found
