"""What is minimised, as one module: a parallel wrapper sees all weights and one forward."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from likeness.model.conditioning import Conditioning
from likeness.model.generator import Generator
from likeness.model.joint import Joint, JointTimes
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.sampling.settings import SamplerSettings
from likeness.training.auxiliary import AuxiliaryLosses, Judges
from likeness.training.batch import Batch
from likeness.training.flow_matching import noised, region_weighted_error, tamed_weight
from likeness.training.luck import Luck
from likeness.training.movement import known_rows, movement_error, noisy_movement
from likeness.training.stages import Stage, TrainingError


class Objective(nn.Module):
    """The losses of a stage on a batch.

    Args:
        generator: whose transformer learns.
        stage: says how.

    """

    def __init__(self, generator: Generator, stage: Stage) -> None:
        super().__init__()
        self.transformer = generator.transformer
        self.stage = stage
        self._generator = generator
        wanted = stage.auxiliary
        self._auxiliary = None
        if wanted.wanted:
            self._auxiliary = AuxiliaryLosses(wanted, generator, Judges.load(wanted.world, wanted))
        self._teacher = None if stage.distil is None else frozen_copy(generator)

    @property
    def networks(self) -> list[AvatarTransformer3DModel]:
        """The transformer that learns, and the one that teaches it where there is one."""
        teacher = [] if self._teacher is None else [self._teacher.transformer]
        return [self.transformer, *teacher]

    @torch.no_grad()
    def _guided(self, z_t: Tensor, t: Tensor, cond: Conditioning) -> Tensor:
        """Velocity of the teacher under the guidance to be learnt."""
        assert self._teacher is not None and self.stage.distil is not None
        settings = SamplerSettings(guidance=self.stage.distil)
        return self._teacher.guided_velocity(cond, settings)(z_t, t)

    def forward(self, batch: Batch, luck: Luck, scale: Tensor) -> dict[str, Tensor]:
        """Terms of the loss by name, each a scalar that is already weighted; their sum counts.

        Args:
            batch: some rows of a step's batch.
            luck: of the same rows.
            scale: mean of the region weights over the whole batch, which errors are divided by.

        """
        cond = luck.withhold(luck.blur(batch.cond), self.stage)
        z_t, target = noised(batch.clean, luck.noise, luck.t)
        if self._teacher is not None:
            target = self._guided(z_t, luck.t, cond)
        velocity, moved = self._velocity(z_t, cond, batch, luck)
        weight = batch.weight / scale * tamed_weight(luck.t, self.stage.time_floor)
        terms = {"flow": region_weighted_error(velocity, target, weight)}
        return terms | moved | self._looks(z_t, velocity, batch, luck)

    def _velocity(
        self, z_t: Tensor, cond: Conditioning, batch: Batch, luck: Luck
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Velocity of the clip, and the weighted error of its movement where there is a stream."""
        scale = self._generator.movement
        if luck.movement is None or luck.movement_noise is None or scale is None:
            return self._generator.velocity(z_t, luck.t, cond), {}
        if batch.movement is None or batch.manner is None:
            raise TrainingError(
                "training.movement needs the data's movement, and they have none: learn from a "
                "corpus, or leave movement out"
            )
        clean = scale.encode(batch.movement)[:, -z_t.shape[2] :]
        drawn = luck.movement.known_only(known_rows(clean))
        noisy, towards = noisy_movement(clean, drawn.times, luck.movement_noise)
        cond = replace(cond, reference_movement=scale.encode(batch.manner))
        if luck.drop_manner is not None:
            cond = cond.without(reference_movement=luck.drop_manner < self.stage.drop_manner)
        out = self._generator.joint_velocity(
            Joint(latents=z_t, movement=noisy),
            JointTimes(latents=luck.t, movement=drawn.times, free=drawn.dropped),
            cond,
        )
        error = movement_error(out.movement, towards, drawn, time_floor=self.stage.time_floor)
        # A mean over all rows, as the other terms are.
        share = self.stage.movement_weight * drawn.predicted.float().mean()
        return out.latents, {"movement": share * error}

    def _looks(self, z_t: Tensor, velocity: Tensor, batch: Batch, luck: Luck) -> dict[str, Tensor]:
        """Weighted auxiliary losses, as means over all rows: those that don't count add nothing.

        So the parts of a batch, and the processes that share it, sum up to the whole.
        """
        if self._auxiliary is None:
            return {}
        chance = torch.Generator().manual_seed(luck.seed)
        followed = None
        if luck.movement is not None and batch.movement is not None:
            followed = (luck.movement.times == 0) & known_rows(batch.movement)
        found = self._auxiliary(z_t, luck.t, velocity, batch, chance, followed=followed)
        nothing = velocity.new_zeros(())
        return {
            name: getattr(self.stage.auxiliary, name)
            * found.losses.get(name, nothing)
            * (found.counted[name] / len(batch))
            for name in self.stage.auxiliary.wanted
        }


def copied(generator: Generator) -> Generator:
    """Copy a generator as it is now: its transformer; codec and encoders are shared."""
    transformer = AvatarTransformer3DModel(**generator.config.transformer)
    transformer.load_state_dict(generator.transformer.state_dict())
    nn.Module.to(transformer, generator.transformer.device)
    return generator.with_transformer(transformer.eval())


def frozen_copy(generator: Generator) -> Generator:
    """Copy a generator as it is now, to be asked and not to learn."""
    made = copied(generator)
    made.transformer.requires_grad_(False)
    return made


def total(terms: dict[str, Tensor]) -> Tensor:
    """Sum the terms."""
    return torch.stack(list(terms.values())).sum()
