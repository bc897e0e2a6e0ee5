"""Sizes and settings of a generator, and the presets that name them."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from likeness.store.errors import LikenessError


class ModelError(LikenessError):
    """The generator can't do what was asked, or its files are not what they should be."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """What a checkpoint is, apart from its weights.

    Attributes:
        size: height and width of a frame in pixels.
        frames: video frames of a clip, 1 + 4k.
        reference_frames: how many frames of the reference are looked at by default, 1 + 4k.
        face_margin: by how much of its size a face box grows on each side before token selection
            (the paper doesn't say; a fifth keeps chin and hair).
        face_share: a reference token is kept when the box covers more than this share of it.
        background_visible: a background token is kept when at least this share of it shows.
        prediction: what the transformer's output means. "velocity" is TAVR's eq. 6; "x0" predicts
            the clean latents and is converted, which small models learn faster.
        flow_shift: shift of the sampler's noise levels towards noise.
        steps, audio_guidance, text_guidance: of the sampler. The paper's are 24, 1.8 and 5.0.
        reference_guidance: of the sampler; above 1 the clip comes closer to the reference's
            person for one forward more a step. The paper has none.
        text_length: tokens of a prompt.
        transformer: arguments of AvatarTransformer3DModel.

    """

    preset: str
    size: int = 64
    frames: int = 25
    fps: float = 25.0
    reference_frames: int = 17
    face_margin: float = 0.2
    face_share: float = 0.5
    background_visible: float = 0.25
    prediction: Literal["velocity", "x0"] = "velocity"
    flow_shift: float = 1.0
    steps: int = 24
    audio_guidance: float = 1.8
    text_guidance: float = 5.0
    reference_guidance: float = 1.0
    text_length: int = 24
    transformer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("frames", "reference_frames"):
            value = getattr(self, name)
            if value < 1 or value % 4 != 1:
                raise ModelError(f"model.{name} must be 1 + 4k, got {value}")
        if self.size % 16:
            raise ModelError(f"model.size must be a multiple of 16, got {self.size}")
        if self.steps < 1:
            raise ModelError(f"model.steps must be positive, got {self.steps}")

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return 1 + (self.frames - 1) // 4

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        return asdict(self)


TINY = GeneratorConfig(
    preset="tiny",
    prediction="x0",
    text_guidance=1.0,
    reference_guidance=1.5,
    transformer={
        "patch_size": (1, 2, 2),
        "num_attention_heads": 4,
        "attention_head_dim": 48,
        "in_channels": 64,
        "out_channels": 64,
        "text_dim": 64,
        "audio_dim": 160,
        "audio_context": 2,
        "freq_dim": 128,
        "ffn_dim": 768,
        "num_layers": 5,
    },
)

PRESETS: dict[str, GeneratorConfig] = {"tiny": TINY}
