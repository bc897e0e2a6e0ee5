import math
from dataclasses import dataclass

from likeness.model.config import ModelError
from likeness.rewards.sets import World

LOSSES = ("identity", "lip_sync", "motion", "perceptual", "pixels")
LEAST_SIZE = 16
LIP_LATENTS = 3  # a window of SyncNet is 5 frames; 3 latent frames inside a clip are 8


@dataclass(frozen=True, kw_only=True)
class AuxiliaryConfig:
    """Which losses are added to flow matching, and on what they look.

    Attributes:
        identity: weight of 1 - cosine of the faces' embeddings to the person's portrait. A weight
            of 0 leaves a loss out, and its network is not loaded; so for all five.
        lip_sync: weight of the cross entropy of the true offset among shifted ones, by SyncNet.
        motion: weight of the error of what the landmarks say of head, turn, eyes and mouth.
        perceptual: weight of the distance of features between prediction and truth.
        pixels: weight of Charbonnier's distance of pixels between prediction and truth.
        world: whose rewards judge; published ones are mostly ONNX files, without gradients.
        below: only rows with a time t below this count. z_t then still shows which way the head is
            turned and where the mouth is, so that the truth's face boxes, landmarks and sound fit
            the prediction; nearer to noise the best prediction is a mean over poses, and judging
            its blurred face would pull towards a sharp face of nobody. At t = 0.5 clip and noise
            are of equal strength.
        crop: side in pixels of the face as ``perceptual`` and ``pixels`` see it; best no smaller
            than faces are in the frame, as it is cut out without smoothing.
        latent_window: latent frames that are decoded, drawn anew at each step; 0 for the whole
            clip. A decoder under gradients keeps what it computed of every frame at full size, so
            that long clips of a large codec don't fit.

    """

    identity: float = 0.0
    lip_sync: float = 0.0
    motion: float = 0.0
    perceptual: float = 0.0
    pixels: float = 0.0
    world: World = "testbed"
    below: float = 0.5
    crop: int = 64
    latent_window: int = 0

    def __post_init__(self) -> None:
        for name in LOSSES:
            weight = getattr(self, name)
            if not (math.isfinite(weight) and weight >= 0):
                raise ModelError(f"training.auxiliary.{name} must be 0 or more, got {weight}")
        if not 0 < self.below <= 1:
            raise ModelError(f"training.auxiliary.below must be in 0..1, got {self.below}")
        if self.crop < LEAST_SIZE:
            raise ModelError(
                f"training.auxiliary.crop must be at least {LEAST_SIZE} pixels, got {self.crop}"
            )
        least = LIP_LATENTS if self.lip_sync else 2
        if self.latent_window < 0 or 0 < self.latent_window < least:
            raise ModelError(
                "training.auxiliary.latent_window must be 0 (the whole clip) or at least "
                f"{least}{' for lip_sync' if self.lip_sync else ''}, got {self.latent_window}"
            )

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the losses with a weight."""
        return tuple(name for name in LOSSES if getattr(self, name))
