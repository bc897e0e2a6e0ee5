"""One transformer block of TAVR: Wan's, with Reference Self-Attention and audio."""

from typing import Any

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.attention_dispatch import dispatch_attention_fn
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from torch import Tensor, nn

Rotary = tuple[Tensor, Tensor]
KeyValue = tuple[Tensor, Tensor]


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


def attend(attn: WanAttention, q: Tensor, k: Tensor, v: Tensor, valid: Tensor | None) -> Tensor:
    """Attention through diffusers' backends, then the layer's output projection."""
    mask = None if valid is None else valid[:, None, None, :]
    out = dispatch_attention_fn(q, k, v, attn_mask=mask).flatten(2, 3).type_as(q)
    return attn.to_out[1](attn.to_out[0](out))


class AvatarBlock(nn.Module):
    """Wan's block with Reference Self-Attention (eq. 2) and Audio Cross-Attention (eq. 3-5)."""

    def __init__(
        self, dim: int, ffn_dim: int, heads: int, cross_attn_norm: bool, eps: float
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

    def hear(self, x: Tensor, audio: Tensor, mask: Tensor | None = None) -> Tensor:
        """Audio cross-attention of (B, N, D) on (B, L, D); mask (B, N, L) says who hears what."""
        hidden = self.norm_audio(x.float()).type_as(x)
        attention_mask = None if mask is None else mask[:, None]
        return x + self.attn_audio(hidden, audio, attention_mask)


def forward_target(  # noqa: PLR0913, PLR0917 checkpointing wants plain arguments
    block: AvatarBlock,
    x: Tensor,
    rows: list[tuple[int, int, Tensor]],
    text: Tensor,
    rotary: Rotary,
    reference: KeyValue | None,
    valid: Tensor | None,
    heard: Tensor | None,
    target: int,
) -> Tensor:
    """One block over [motion, target, background] (TAVR eq. 2, the first call, then eq. 3-5)."""
    rows = [row for row in rows if row[0] < row[1]]
    modulations = [block.modulation(row) for _, _, row in rows]
    parts = [x[:, a:b] for a, b, _ in rows]
    inputs = [block.attention_input(p, m) for p, m in zip(parts, modulations, strict=True)]
    q, k, v = queries_keys_values(block.attn1, torch.cat(inputs, 1), rotary)
    if reference is not None:
        k, v = torch.cat([k, reference[0]], 1), torch.cat([v, reference[1]], 1)
    out = attend(block.attn1, q, k, v, valid)
    gate = torch.cat(
        [m[2].expand(-1, b - a, -1) for m, (a, b, _) in zip(modulations, rows, strict=True)], 1
    )
    x = block.after_attention(x, out, gate, text)
    if heard is not None:
        by_frame = x[:, :target].unflatten(1, (heard.shape[1], -1)).flatten(0, 1)
        heard_to = block.hear(by_frame, heard.flatten(0, 1)).unflatten(0, (len(x), -1))
        x = torch.cat([heard_to.flatten(1, 2), x[:, target:]], 1)
    parts = [x[:, a:b] for a, b, _ in rows]
    return torch.cat([block.feed_forward(p, m) for p, m in zip(parts, modulations, strict=True)], 1)
