"""How many tokens each stream of a generation has."""

import math
from dataclasses import dataclass

from likeness.model.config import (
    MOST_REFERENCE_FRAMES,
    GeneratorConfig,
    ModelError,
    latent_frames,
)


@dataclass(frozen=True, kw_only=True)
class Streams:
    """Tokens of each stream in one forward.

    Attributes:
        target: of the clip to make; `target_frames` latent frames.
        motion: of the previous clip's last latents, prepended to the target (TAVR, section 3.1);
            `motion_frames` latent frames.
        background: kept ones of the `background_before` of one latent frame.
        reference: kept ones of the `reference_before` of `reference_frames` latent frames.
        text: of a prompt.
        movement, reference_movement: of the movement stream, for the target's and the reference's
            latent frames; 0 without it.

    """

    target: int
    target_frames: int
    motion: int
    motion_frames: int
    background: int
    background_before: int
    reference: int
    reference_before: int
    reference_frames: int
    text: int
    movement: int = 0
    reference_movement: int = 0

    @classmethod
    def of(
        cls,
        config: GeneratorConfig,
        *,
        reference_frames: int,
        face_share: float = 1.0,
        background_share: float = 1.0,
        motion_latents: int = 0,
    ) -> "Streams":
        """Count tokens of 16 x 16 pixels.

        Args:
            config: of the clip; the reference is brought to the same height and width.
            reference_frames: video frames of the reference.
            face_share: of the reference's tokens that lie inside the face boxes, above 0 to 1.
            background_share: of the background's tokens that show something, 0..1.
            motion_latents: latent frames prepended, fewer than the clip's.

        Raises:
            ModelError: a number is out of its range, or the reference has no frames or more than
                the paper tried.

        """
        if not 1 <= reference_frames <= MOST_REFERENCE_FRAMES:
            raise ModelError(
                f"a reference has 1 to {MOST_REFERENCE_FRAMES} frames (TAVR, Figure 3), "
                f"got {reference_frames}"
            )
        if not 0 < face_share <= 1:
            raise ModelError(
                f"the face's share of a frame is above 0 and at most 1, got {face_share}"
            )
        if not 0 <= background_share <= 1:
            raise ModelError(f"the background's visible share is 0 to 1, got {background_share}")
        if not 0 <= motion_latents < config.latent_frames:
            raise ModelError(
                f"motion latents are 0 to {config.latent_frames - 1} for a clip of "
                f"{config.frames} frames, got {motion_latents}"
            )
        frame = math.prod(config.token_size)
        reference_before = latent_frames(reference_frames) * frame
        moving = config.transformer.get("movement_tokens", 0)
        return cls(
            target=config.latent_frames * frame,
            target_frames=config.latent_frames,
            motion=motion_latents * frame,
            motion_frames=motion_latents,
            background=round(background_share * frame),
            background_before=frame,
            reference=round(face_share * reference_before),
            reference_before=reference_before,
            reference_frames=latent_frames(reference_frames),
            text=config.text_length,
            movement=moving * config.latent_frames,
            reference_movement=moving * latent_frames(reference_frames),
        )

    @property
    def queries(self) -> int:
        """Tokens of the first call of Reference Self-Attention: all but the reference's."""
        return self.target + self.motion + self.background + self.movement

    @property
    def context(self) -> int:
        """Tokens of the second call: the reference's kept ones and those of its movement."""
        return self.reference + self.reference_movement

    @property
    def total(self) -> int:
        """All tokens after selection, as TAVR's Table 4 counts them."""
        return self.queries + self.context
