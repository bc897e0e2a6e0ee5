"""A clip and its movement along the flow together, each at a time of its own.

The same network predicts the movement (noisy, at a time of its own), follows it (clean, time 0) or
goes without: Avatar V's motion stream in the manner of diffusion forcing (Chen et al. 2024, arXiv
2407.01392). In the follow mode the plain :meth:`Generator.velocity` and :meth:`Generator.sample`
serve: conditions with ``movement`` are followed.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning
from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.network.cache import ReferenceCache
from likeness.model.network.movement import MovementInput
from likeness.model.network.streams import select
from likeness.model.network.transformer import AvatarTransformer3DModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Joint:
    """A clip's latents and its movement: both noisy, both clean, or velocities of both.

    Attributes:
        latents: (B, C, T, h, w).
        movement: (B, T, size), normalised.

    """

    latents: Tensor
    movement: Tensor

    def pack(self) -> Tensor:
        """(B, everything), as samplers take it, who only add and scale."""
        return torch.cat([self.latents.flatten(1), self.movement.flatten(1)], 1)

    def unpack(self, packed: Tensor) -> "Joint":
        """Undo :meth:`pack` for a batch of any size."""
        latents, movement = packed.split([self.latents[0].numel(), self.movement[0].numel()], dim=1)
        return Joint(
            latents=latents.unflatten(1, self.latents.shape[1:]),
            movement=movement.unflatten(1, self.movement.shape[1:]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class JointTimes:
    """Where each half is on its way, row by row.

    Attributes:
        latents: (B,) in 0..1.
        movement: (B,) in 0..1; 0 = follow.
        free: (B,) bool: rows that go without movement; None for no row.

    """

    latents: Tensor
    movement: Tensor
    free: Tensor | None = None


class Joined:
    """What a generator predicts in one forward."""

    config: GeneratorConfig
    transformer: AvatarTransformer3DModel

    @property
    def _dtype(self) -> torch.dtype:
        """The type that the transformer works in; what it keeps in float32 is its own affair."""
        return self.transformer.patch_embedding.weight.dtype

    def encode_reference(self, cond: Conditioning) -> ReferenceCache:
        """Run the reference stream once; the result serves all steps and guidance branches."""
        cond = cond.in_type(self._dtype)
        manner = cond.reference_movement
        return self.transformer.encode_reference(
            cond.reference,
            select(cond.reference_keep),
            cond.empty_text,
            cond.reference_audio,
            None if manner is None else MovementInput.clean(manner),
        )

    def joint_velocity(
        self,
        state: Joint,
        times: JointTimes,
        cond: Conditioning,
        *,
        shared: ReferenceCache | None = None,
    ) -> Joint:
        """Velocities of a clip and its movement; differentiable.

        Of movement that is followed or left out the velocity means nothing: leave it out of losses.
        NaN frames of ``state.movement`` are unknown to the clip.

        Raises:
            ModelError: the checkpoint has no movement stream.

        """
        given = MovementInput.clean(state.movement)
        known = given.known
        if times.free is not None:
            open_rows = ~times.free[:, None].expand(state.movement.shape[:2])
            known = open_rows if known is None else known & open_rows
        given = replace(given, timestep=times.movement * 1000, known=known)
        velocity, told = self.predict(
            state.latents, times.latents, cond, shared=shared, movement=given
        )
        if told is None:
            raise ModelError("the transformer predicted no movement")
        return Joint(
            latents=velocity,
            movement=self._as_velocity(given.coefficients, times.movement, told.float()),
        )

    def predict(
        self,
        z_t: Tensor,
        t: Tensor,
        cond: Conditioning,
        *,
        shared: ReferenceCache | None = None,
        movement: MovementInput | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Velocity of the clip, and what the transformer says of the movement, if there is any.

        Raises:
            ModelError: there is movement of another length than the clip, or no stream for it.

        """
        reference = self.encode_reference(cond) if shared is None else shared
        if movement is None and cond.movement is not None:
            movement = MovementInput.clean(cond.movement)
        if movement is not None and movement.coefficients.shape[1] != z_t.shape[2]:
            raise ModelError(
                f"the movement has {movement.coefficients.shape[1]} latent frames, the clip "
                f"{z_t.shape[2]}: give as many, motion latents not counted"
            )
        cond = cond.in_type(self._dtype)
        out = self.transformer(
            z_t.to(self._dtype),
            t * 1000,
            cond.text,
            audio=cond.audio,
            background=(cond.background, select(cond.background_keep)),
            reference=reference,
            motion=cond.motion,
            movement=movement,
        )
        out, told = out if isinstance(out, tuple) else (out, None)
        return self._as_velocity(z_t, t, out.to(z_t)), told

    def _as_velocity(self, noisy: Tensor, t: Tensor, out: Tensor) -> Tensor:
        if self.config.prediction == "velocity":
            return out
        return (noisy - out) / t.clamp_min(1e-3).view(-1, *[1] * (noisy.dim() - 1))
