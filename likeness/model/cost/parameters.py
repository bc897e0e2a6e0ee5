"""The transformer's parameters: which are Wan2.1's, which are new, and how many."""

from dataclasses import dataclass

from accelerate import init_empty_weights

from likeness.model.config import GeneratorConfig
from likeness.model.network.transformer import AvatarTransformer3DModel

ADDED = (
    "audio_embedder.",
    "stream_embedding",
    "attn_audio.",
    "norm_audio.",
    "refiner.",
    "movement",
)

_PARTS = (  # the first that a name contains is its part
    ("movement", "movement stream"),
    ("audio_embedder.", "audio embedder"),
    ("attn_audio.", "audio cross-attention"),
    ("norm_audio.", "audio cross-attention"),
    ("stream_embedding", "stream embedding"),
    ("refiner.", "refiner"),
    ("patch_embedding.", "patch embedding"),
    ("text_embedder.", "text embedder"),
    ("condition_embedder.time", "time embedder"),
    ("attn1.", "self-attention"),
    ("attn2.", "text cross-attention"),
    ("norm2.", "text cross-attention"),
    ("ffn.", "feed-forward"),
    ("scale_shift_table", "modulation"),
    ("proj_out.", "head"),
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Parameters of one part of the transformer, over all layers."""

    name: str
    wan: bool
    parameters: int


def is_added(name: str) -> bool:
    """Whether a parameter is TAVR's and not in a Wan2.1 checkpoint."""
    return any(part in name for part in ADDED)


def skeleton(config: GeneratorConfig) -> AvatarTransformer3DModel:
    """Build a preset's transformer without its weights: parameters lie on the meta device.

    The tables of rotary positions, which no checkpoint holds, are real.
    """
    with init_empty_weights(include_buffers=False):
        return AvatarTransformer3DModel(**config.transformer)


def parts_of(model: AvatarTransformer3DModel) -> tuple[Part, ...]:
    """Count parameters by part, Wan's first; the weights are not looked at."""
    counts: dict[tuple[bool, str], int] = {}
    for name, parameter in model.named_parameters():
        part = next(title for piece, title in _PARTS if piece in name)
        key = (is_added(name), part)
        counts[key] = counts.get(key, 0) + parameter.numel()
    return tuple(
        Part(name=name, wan=not added, parameters=count)
        for (added, name), count in sorted(counts.items(), key=lambda item: item[0][0])
    )
