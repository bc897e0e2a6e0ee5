"""Sizes and settings of a generator, and the presets that name them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from likeness.store.errors import LikenessError

MOST_REFERENCE_FRAMES = 48  # at inference (TAVR, section 4.1)

MOVEMENT_SIZE = 28  # numbers of a latent frame: 7 coefficients of each of its 4 video frames


class ModelError(LikenessError):
    """The generator can't do what was asked, or its files are not what they should be."""


def latent_frames(frames: int) -> int:
    """Latent frames of so many video frames: 1 + (frames - 1) // 4; a rest that fills none goes."""
    return 1 + (frames - 1) // 4


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """What a checkpoint is, apart from its weights.

    Attributes:
        height, width: of a frame in pixels, multiples of 16 (a token's side).
        frames: video frames of a clip, 1 + 4k.
        reference_frames: how many frames of the reference are looked at by default, 1 + 4k.
        face_margin: by how much of its size a face box grows on each side before token selection
            (the paper doesn't say; a fifth keeps chin and hair).
        face_share: a reference token is kept when the box covers more than this share of it.
        background_visible: a background token is kept when at least this share of it shows.
        prediction: what the transformer's output means. "velocity" is TAVR's eq. 6; "x0" predicts
            the clean latents and is converted, which small models learn faster.
        sampler: by name. The papers' is UniPC; a small model's tokens disagree less when noise is
            drawn anew on the way (CPS).
        flow_shift: shift of the sampler's noise levels towards noise.
        steps, audio_guidance, text_guidance: of the sampler. The paper's are 24, 1.8 and 5.0.
        reference_guidance: of the sampler; above 1 the clip comes closer to the reference's
            person for one forward more a step. The paper has none.
        movement_guidance: of the sampler, where movement is followed; above 1 the clip moves more
            nearly as asked, for one forward more a step.
        text_length: tokens of a prompt.
        chunk_frames: video frames of each chunk of a long clip, motion included; None for
            ``frames``, which a small model had better not leave.
        motion_latents: of the clip so far, at the beginning of each further chunk of a long clip
            (TAVR, section 3.1: the final two).
        codec: turns pixels into latents and back.
        speech: turns speech into what the transformer hears.
        transformer: arguments of AvatarTransformer3DModel.

    """

    preset: str
    height: int = 64
    width: int = 64
    frames: int = 25
    fps: float = 25.0
    reference_frames: int = 17
    face_margin: float = 0.2
    face_share: float = 0.5
    background_visible: float = 0.25
    prediction: Literal["velocity", "x0"] = "velocity"
    sampler: Literal["unipc", "euler", "flow_sde", "dance", "cps"] = "unipc"
    flow_shift: float = 1.0
    steps: int = 24
    audio_guidance: float = 1.8
    text_guidance: float = 5.0
    reference_guidance: float = 1.0
    movement_guidance: float = 1.0
    text_length: int = 24
    chunk_frames: int | None = None
    motion_latents: int = 2
    codec: Literal["tiny", "wan"] = "tiny"
    speech: Literal["log_mel", "wav2vec2"] = "log_mel"
    transformer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("frames", "reference_frames"):
            value = getattr(self, name)
            if value < 1 or value % 4 != 1:
                raise ModelError(f"model.{name} must be 1 + 4k, got {value}")
        for name in ("height", "width"):
            value = getattr(self, name)
            if value < 16 or value % 16:
                raise ModelError(f"model.{name} must be a multiple of 16, got {value}")
        if self.steps < 1:
            raise ModelError(f"model.steps must be positive, got {self.steps}")

    @property
    def latent_frames(self) -> int:
        """Latent frames of a clip."""
        return latent_frames(self.frames)

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width of a latent frame."""
        return self.height // 8, self.width // 8

    @property
    def token_size(self) -> tuple[int, int]:
        """Rows and columns of tokens of a frame."""
        return self.height // 16, self.width // 16

    @property
    def moves(self) -> bool:
        """Whether the transformer has a movement stream."""
        return self.transformer.get("movement_tokens", 0) > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "GeneratorConfig":
        """Read what :meth:`to_dict` gave, or the older form with one `size` for square frames.

        Raises:
            ModelError: a setting is unknown, missing or out of its range.

        """
        values = dict(values)
        if "size" in values:
            values["height"] = values["width"] = values.pop("size")
        if unknown := sorted(values.keys() - {f.name for f in fields(cls)}):
            raise ModelError(f"model.{unknown[0]} is no setting of a generator")
        if "preset" not in values:
            raise ModelError("model.preset is missing")
        return cls(**values)


TINY = GeneratorConfig(
    preset="tiny",
    prediction="x0",
    sampler="cps",
    flow_shift=3.0,
    text_guidance=1.0,
    reference_guidance=1.5,
    steps=12,
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
        "refiner_width": 96,
    },
)


def _wan(preset: str, *, layers: int, heads: int, ffn: int) -> GeneratorConfig:
    """TAVR on a Wan2.1 text-to-video model: its published sizes, the paper's clip and sampler.

    flow_shift is that of the scheduler published with the checkpoints (3, for 480 lines); speech is
    heard as Wav2Vec2-base's 768 features.
    """
    return GeneratorConfig(
        preset=preset,
        height=480,
        width=896,
        frames=81,
        chunk_frames=161,  # 6.4 s (Avatar V)
        flow_shift=3.0,
        text_length=512,
        codec="wan",
        speech="wav2vec2",
        transformer={
            "patch_size": (1, 2, 2),
            "num_attention_heads": heads,
            "attention_head_dim": 128,
            "in_channels": 16,
            "out_channels": 16,
            "text_dim": 4096,
            "audio_dim": 768,
            "audio_context": 2,
            "freq_dim": 256,
            "ffn_dim": ffn,
            "num_layers": layers,
            "cross_attn_norm": True,
            "eps": 1e-6,
            "rope_max_seq_len": 1024,
        },
    )


PRESETS: dict[str, GeneratorConfig] = {
    config.preset: config
    for config in (
        TINY,
        _wan("wan2.1-1.3b", layers=30, heads=12, ffn=8960),
        _wan("wan2.1-14b", layers=40, heads=40, ffn=13824),
    )
}


def preset_named(name: str) -> GeneratorConfig:
    """Return the preset of that name.

    Raises:
        ModelError: there is none.

    """
    if name not in PRESETS:
        raise ModelError(f"no preset called {name!r}; known are {', '.join(PRESETS)}")
    return PRESETS[name]
