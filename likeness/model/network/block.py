"""One transformer block of TAVR: Wan's, with Reference Self-Attention and audio."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from torch import Tensor, nn

from likeness.model.network.division import (
    gathered,
    group_of,
    heads_for_tokens,
    tokens_for_heads,
)

Rotary = tuple[Tensor, Tensor]
KeyValue = tuple[Tensor, Tensor]

GATE = 10.0
"""Factor of the movement's gates: Adam opens them ten times as fast, and a clip begins to follow
after a third of the steps (``tests/training/test_movement_times.py``: 50 and not 150)."""


def rotate(x: Tensor, rotary: Rotary) -> Tensor:
    """Turn the interleaved pairs of (B, N, heads, head_dim) by Wan's rotary angles.

    As one complex product: half the passes over memory of the four real ones.
    """
    cos, sin = rotary
    angle = torch.complex(cos[..., 0::2].float(), sin[..., 1::2].float())
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * angle).flatten(-2).type_as(x)


def queries_keys_values(attn: WanAttention, x: Tensor, rotary: Rotary) -> tuple[Tensor, ...]:
    """Project (B, N, D) for self-attention: three times (B, N, heads, head_dim)."""
    q = attn.norm_q(attn.to_q(x)).unflatten(2, (attn.heads, -1))
    k = attn.norm_k(attn.to_k(x)).unflatten(2, (attn.heads, -1))
    v = attn.to_v(x).unflatten(2, (attn.heads, -1))
    return rotate(q, rotary), rotate(k, rotary), v


def attend(
    attn: WanAttention,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    valid: Tensor | None,
    beside: Tensor | None = None,
) -> Tensor:
    """Attention through diffusers' backends, then the layer's output projection.

    Under context parallelism each process gives its share of the queries, keys and ``valid``.
    ``beside`` (B, N, D) is added before the projection.
    """
    how: Any = attn.processor
    kind, group = q, group_of(how._parallel_config)
    if group is not None:
        q, k, v = (heads_for_tokens(x, group) for x in (q, k, v))
        valid = None if valid is None else gathered(valid, 1, group)
    mask = None if valid is None else valid[:, None, None, :].contiguous()
    out = dispatch_attention_fn(q, k, v, attn_mask=mask, backend=how._attention_backend)
    if group is not None:
        out = tokens_for_heads(out, group)
    out = out.flatten(2, 3).type_as(kind)
    return attn.to_out[1](attn.to_out[0](out if beside is None else out + beside))


@dataclass(frozen=True, kw_only=True, eq=False)
class Moving:
    """Where the movement's tokens are, which have a softmax of their own.

    Attributes:
        tokens: how many of the tokens are the movement's: the last ones. In T latent frames, the
            last T of those that are heard.
        frames: T.
        reference: how many of the reference's keys are its movement's: the last ones.
        valid: (B, tokens + reference) bool, or None when all of these keys count. In a row where
            none does the movement says nothing at all.

    """

    tokens: int
    frames: int = 0
    reference: int = 0
    valid: Tensor | None = None

    def split(self, kv: KeyValue, last: int) -> tuple[KeyValue, KeyValue]:
        """Take the last keys and values off."""
        k, v = kv
        cut = k.shape[1] - last
        return (k[:, :cut], v[:, :cut]), (k[:, cut:], v[:, cut:])

    def attend(self, attn: WanAttention, q: Tensor, parts: list[KeyValue]) -> Tensor:
        """Attend to the movement's keys alone, (B, N, D) before the output projection.

        Under context parallelism every process has all of them: nothing is exchanged.
        """
        k, v = (torch.cat(list(each), 1) for each in zip(*parts, strict=True))
        mask = some = None
        if self.valid is not None:
            some = self.valid.any(1)[:, None]
            mask = (self.valid | ~some)[:, None, None, :].contiguous()
        how: Any = attn.processor
        out = dispatch_attention_fn(q, k, v, attn_mask=mask, backend=how._attention_backend)
        out = out.flatten(2, 3).type_as(q)
        return out if some is None else out * some[..., None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """What every block is given beside the tokens.

    Attributes:
        rows: (start, end, (B, 6, D)): modulation of the tokens from start to end.
        text: (B, L, D) of the prompt.
        rotary: of the tokens.
        valid: (B, keys) bool over tokens and reference, or None when all count.
        heard: (B, T, L, D) audio tokens of each latent frame, or None for silence.
        framed: tokens at the beginning that lie in T equal frames and hear theirs.
        frame: (B, N) latent frame of every token instead, where only selected ones are here.
        moving: where the movement's tokens are, or None when there is no movement.

    """

    rows: tuple[tuple[int, int, Tensor], ...]
    text: Tensor
    rotary: Rotary
    valid: Tensor | None = None
    heard: Tensor | None = None
    framed: int = 0
    frame: Tensor | None = None
    moving: Moving | None = None


class AvatarBlock(nn.Module):
    """Wan's block with Reference Self-Attention (eq. 2) and Audio Cross-Attention (eq. 3-5).

    ``moves`` gives it the gate through which the movement's tokens are seen.
    """

    def __init__(
        self,
        dim: int,
        ffn_dim: int,
        heads: int,
        cross_attn_norm: bool,
        eps: float,
        *,
        moves: bool = False,
    ) -> None:
        super().__init__()
        shape: dict[str, Any] = {
            "dim": dim,
            "heads": heads,
            "dim_head": dim // heads,
            "eps": eps,
            "processor": WanAttnProcessor(),
        }
        across = {**shape, "cross_attention_dim_head": dim // heads}
        self.norm1 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.attn1 = WanAttention(**shape)
        self.attn2 = WanAttention(**across)
        self.norm2 = (
            FP32LayerNorm(dim, eps, elementwise_affine=True) if cross_attn_norm else nn.Identity()
        )
        self.norm_audio = FP32LayerNorm(dim, eps, elementwise_affine=True)
        self.attn_audio = WanAttention(**across)
        self.ffn = FeedForward(dim, inner_dim=ffn_dim, activation_fn="gelu-approximate")
        self.norm3 = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, dim) / dim**0.5)
        for parameter in self.attn_audio.to_out.parameters():
            nn.init.zeros_(parameter)
        self.movement_gate = nn.Parameter(torch.zeros(dim)) if moves else None

    def forward(
        self, x: Tensor, given: Given, reference: KeyValue | None = None, *, keep: bool = False
    ) -> tuple[Tensor, KeyValue | None]:
        """Run (B, N, D) through the block; ``keep`` asks for its keys and values as well.

        Target, motion and background together, with the reference's keys and values, are TAVR
        eq. 2's first call; the reference alone is the second. Then come eq. 3-5. The movement's
        keys are seen by a call of their own, behind a gate that starts at zero.
        """
        modulations = [self.modulation(row) for _, _, row in given.rows]
        inputs = torch.cat(
            [
                self.attention_input(x[:, a:b], m)
                for (a, b, _), m in zip(given.rows, modulations, strict=True)
            ],
            1,
        )
        q, k, v = queries_keys_values(self.attn1, inputs, given.rotary)
        kept = (k, v) if keep else None
        beside = None
        moving = given.moving
        if moving is not None and self.movement_gate is not None:
            (k, v), own = moving.split((k, v), moving.tokens)
            parts = [own]
            if reference is not None:
                reference, others = moving.split(reference, moving.reference)
                parts.append(others)
            beside = moving.attend(self.attn1, q, parts) * (GATE * self.movement_gate)
        if reference is not None:
            k, v = torch.cat([k, reference[0]], 1), torch.cat([v, reference[1]], 1)
        out = attend(self.attn1, q, k, v, given.valid, beside)
        gates = [
            m[2].expand(-1, b - a, -1) for (a, b, _), m in zip(given.rows, modulations, strict=True)
        ]
        x = self.after_attention(x, out, torch.cat(gates, 1), given.text)
        if given.heard is not None:
            x = self.hear(x, given.heard, given)
        parts = [
            self.feed_forward(x[:, a:b], m)
            for (a, b, _), m in zip(given.rows, modulations, strict=True)
        ]
        return torch.cat(parts, 1), kept

    def modulation(self, temb: Tensor) -> tuple[Tensor, ...]:
        """Shift, scale and gate of attention and feed-forward, each (B, 1, D)."""
        return (self.scale_shift_table + temb.float()).chunk(6, dim=1)

    def attention_input(self, x: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """Normalise and modulate (B, N, D) before self-attention."""
        shift, scale = modulation[:2]
        return torch.addcmul(shift, self.norm1(x.float()), 1 + scale).type_as(x)

    def after_attention(self, x: Tensor, out: Tensor, gate: Tensor, text: Tensor) -> Tensor:
        """Gated residual of self-attention, then text cross-attention."""
        x = torch.addcmul(x.float(), out.float(), gate).type_as(x)
        return x + self.attn2(self.norm2(x.float()).type_as(x), text)

    def feed_forward(self, x: Tensor, modulation: tuple[Tensor, ...]) -> Tensor:
        """Modulated feed-forward with its gated residual."""
        shift, scale, gate = modulation[3:]
        hidden = torch.addcmul(shift, self.norm3(x.float()), 1 + scale).type_as(x)
        return torch.addcmul(x.float(), self.ffn(hidden).float(), gate).type_as(x)

    def hear(self, x: Tensor, heard: Tensor, given: Given) -> Tensor:
        """Audio cross-attention: a token hears the audio of its own latent frame (eq. 3-5)."""
        if given.frame is not None:
            frames, slots = heard.shape[1:3]
            of_key = torch.arange(frames, device=x.device).repeat_interleave(slots)
            return self._hear(x, heard.flatten(1, 2), given.frame[..., None] == of_key)
        end = x.shape[1] - (given.moving.tokens if given.moving is not None else 0)
        parts = [self._hear_framed(x[:, : given.framed], heard), x[:, given.framed : end]]
        if given.moving is not None and given.moving.tokens:
            parts.append(self._hear_framed(x[:, end:], heard[:, -given.moving.frames :]))
        return torch.cat(parts, 1)

    def _hear_framed(self, x: Tensor, heard: Tensor) -> Tensor:
        by_frame = x.unflatten(1, (heard.shape[1], -1)).flatten(0, 1)
        return self._hear(by_frame, heard.flatten(0, 1)).view_as(x)

    def _hear(self, x: Tensor, audio: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self.norm_audio(x.float()).type_as(x)
        return x + self.attn_audio(hidden, audio, None if mask is None else mask[:, None])
