"""What a forward of the transformer costs in floating-point operations and bytes.

Everything follows from sizes by closed formulas; nothing is run. A product of (m, k) and (k, n)
counts 2 m n k operations and an attention of n queries on m keys 4 n m d, as torch's
FlopCounterMode counts; norms, rotary positions and activations count nothing.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from likeness.model.cost.tokens import Streams
from likeness.model.encoders.audio import AudioEmbedder

HALF_PRECISION = 2  # bytes of a value in bf16


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Sizes of the transformer, in values.

    Attributes:
        dim: width of a token.
        patch, patch_out: latent values that a token takes in and gives out.
        movement: tokens of a latent frame's movement, of ``movement_size`` numbers together.

    """

    dim: int
    ffn: int
    layers: int
    patch: int
    patch_out: int
    text: int
    audio: int
    audio_context: int
    time: int
    movement: int = 0
    movement_size: int = 0

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "Sizes":
        """Take them from the arguments of AvatarTransformer3DModel; no movement where unsaid."""
        volume = math.prod(arguments["patch_size"])
        return cls(
            dim=arguments["num_attention_heads"] * arguments["attention_head_dim"],
            ffn=arguments["ffn_dim"],
            layers=arguments["num_layers"],
            patch=arguments["in_channels"] * volume,
            patch_out=arguments["out_channels"] * volume,
            text=arguments["text_dim"],
            audio=arguments["audio_dim"],
            audio_context=arguments["audio_context"],
            time=arguments["freq_dim"],
            movement=arguments.get("movement_tokens", 0),
            movement_size=arguments.get("movement_size", 0),
        )

    @property
    def audio_tokens(self) -> int:
        """Audio tokens L of a latent frame (TAVR, section 3.1)."""
        return AudioEmbedder.stride + 2 * self.audio_context


@dataclass(frozen=True, kw_only=True)
class LayerFlops:
    """Operations of one block."""

    self_attention: int
    text_attention: int
    audio_attention: int
    feed_forward: int

    @property
    def total(self) -> int:
        """Of the whole block."""
        return self.self_attention + self.text_attention + self.audio_attention + self.feed_forward

    def __add__(self, other: "LayerFlops") -> "LayerFlops":
        return LayerFlops(
            self_attention=self.self_attention + other.self_attention,
            text_attention=self.text_attention + other.text_attention,
            audio_attention=self.audio_attention + other.audio_attention,
            feed_forward=self.feed_forward + other.feed_forward,
        )


def attention(dim: int, queries: int, keys: int) -> int:
    """Scores and weighted sum of n queries on m keys: 4 n m d."""
    return 4 * queries * keys * dim


def cross_attention(dim: int, queries: int, given: int, seen: int) -> int:
    """Count a cross-attention and its projections: 4 (n + g) d^2 + 4 n s d.

    Args:
        dim: d.
        queries: n tokens, projected to queries and from the output.
        given: g tokens, projected to keys and values.
        seen: s keys that each query is compared with.

    """
    return 4 * (queries + given) * dim**2 + attention(dim, queries, seen)


def target_layer(sizes: Sizes, streams: Streams) -> LayerFlops:
    """Count a block over target, motion, background and movement: what each denoising step pays.

    With n = N_t + N_m + N_bg + N_mov queries: self-attention 8 n d^2 + 4 n (n + N_ref) d (TAVR
    eq. 2, first call; the movement's own softmax adds no more), text 4 (n + L_text) d^2 + 4 n
    L_text d, feed-forward 4 n d d_ffn. Audio is heard frame by frame (eq. 3-5) by all but the
    background; for the movement it is projected once more.
    """
    d, n = sizes.dim, streams.queries
    heard = streams.target + streams.motion
    frames = streams.target_frames + streams.motion_frames
    slots = sizes.audio_tokens
    audio = cross_attention(d, heard, frames * slots, slots)
    if streams.movement:
        audio += cross_attention(d, streams.movement, streams.target_frames * slots, slots)
    return LayerFlops(
        self_attention=8 * n * d**2 + attention(d, n, n + streams.context),
        text_attention=cross_attention(d, n, streams.text, streams.text),
        audio_attention=audio,
        feed_forward=4 * n * d * sizes.ffn,
    )


def reference_layer(sizes: Sizes, streams: Streams) -> LayerFlops:
    """Count a block over the reference: paid once a clip, thanks to the cache.

    Self-attention is 8 N_ref d^2 + 4 N_ref^2 d (TAVR eq. 2, second call), those of its movement
    counted in. A reference token hears
    its own frame by a mask, so it is compared with the audio of all T_ref frames.
    """
    d, n = sizes.dim, streams.context
    heard = streams.reference_frames * sizes.audio_tokens
    return LayerFlops(
        self_attention=8 * n * d**2 + attention(d, n, n),
        text_attention=cross_attention(d, n, streams.text, streams.text),
        audio_attention=cross_attention(d, n, heard, heard),
        feed_forward=4 * n * d * sizes.ffn,
    )


def reference_self_attention(sizes: Sizes, streams: Streams) -> int:
    """Count one Reference Self-Attention layer, both calls: the quantity of TAVR's Table 4.

    8 N d^2 + 4 (N_t + N_bg) N d + 4 N_ref^2 d with N all tokens: 45.2926e12 at the paper's shapes
    without selection (Table 4: 45.30 T).
    """
    target, reference = target_layer(sizes, streams), reference_layer(sizes, streams)
    return target.self_attention + reference.self_attention


def _conditions(sizes: Sizes, streams: Streams) -> int:
    """Embed time and text: 2 d (d_time + 7 d) and 2 L_text d (d_text + d)."""
    time = 2 * sizes.dim * (sizes.time + 7 * sizes.dim)
    return time + 2 * streams.text * sizes.dim * (sizes.text + sizes.dim)


def _audio(sizes: Sizes, frames: int) -> int:
    """Embed speech of so many video frames: 2 F d (3 d_audio + d)."""
    return 2 * frames * sizes.dim * (3 * sizes.audio + sizes.dim)


def target_forward(sizes: Sizes, streams: Streams, *, frames: int) -> int:
    """Count a forward over the noisy clip, one guidance branch: blocks, embedders and head.

    Patches are embedded before selection; conditions are embedded for two noise levels, the
    target's and that of the clean background, and for the movement's if there is any, which every
    latent frame is told besides. ``frames`` are the video frames whose speech is heard.
    """
    patches = streams.target + streams.motion + streams.background_before
    return (
        sizes.layers * target_layer(sizes, streams).total
        + 2 * patches * sizes.patch * sizes.dim
        + (3 if streams.movement else 2) * _conditions(sizes, streams)
        + _audio(sizes, frames)
        + 2 * streams.target * sizes.dim * sizes.patch_out
        + 4 * streams.movement * sizes.dim * sizes.movement_size
        + bool(streams.movement) * 2 * streams.target_frames * sizes.dim * sizes.movement_size
    )


def reference_forward(sizes: Sizes, streams: Streams, *, frames: int) -> int:
    """Count the reference's forward, once a clip; ``frames`` of its speech are heard."""
    return (
        sizes.layers * reference_layer(sizes, streams).total
        + 2 * streams.reference_before * sizes.patch * sizes.dim
        + 2 * streams.reference_movement * sizes.dim * sizes.movement_size
        + bool(streams.reference_movement) * 6 * sizes.dim * (sizes.movement_size // 4)
        + _conditions(sizes, streams)
        + _audio(sizes, frames)
    )


def cache_bytes(sizes: Sizes, streams: Streams) -> int:
    """Bytes of the reference's keys and values in one layer, in bf16: 2 N_ref d values."""
    return 2 * streams.context * sizes.dim * HALF_PRECISION


def layer_bytes(sizes: Sizes, streams: Streams, *, parameters: int) -> int:
    """Bytes that one block must move at least in bf16: weights and cache in, tokens in and out.

    2 p + 4 N_ref d + 4 (N_t + N_m + N_bg) d for a block of p parameters. What attention and
    feed-forward keep between is left out, as fused kernels may keep it on the chip.
    """
    tokens = 2 * streams.queries * sizes.dim
    return (parameters + tokens) * HALF_PRECISION + cache_bytes(sizes, streams)
