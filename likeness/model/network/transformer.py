"""The diffusion transformer of TAVR on Wan's parts, with Reference Self-Attention.

Parameter names are those of diffusers' ``WanTransformer3DModel``; what TAVR adds (audio
cross-attention, stream embeddings) has names of its own and starts at zero, so with no reference,
background or audio the output is Wan's.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.loaders.peft import PeftAdapterMixin
from diffusers.models.attention import AttentionMixin
from diffusers.models.cache_utils import CacheMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import (
    WanRotaryPosEmbed,
    WanTimeTextImageEmbedding,
)
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from likeness.model.encoders.audio import AudioEmbedder
from likeness.model.network.block import (
    AvatarBlock,
    KeyValue,
    Rotary,
    attend,
    forward_target,
    queries_keys_values,
)
from likeness.model.network.cache import ReferenceCache
from likeness.model.network.refiner import LatentRefiner
from likeness.model.network.streams import Selection, patch_grid


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Tokens of one stream on their way through the blocks."""

    tokens: Tensor  # (B, N, D)
    rotary: Rotary  # (1 or B, N, 1, head_dim) each
    valid: Tensor | None = None  # (B, N) bool


class AvatarTransformer3DModel(
    ModelMixin, ConfigMixin, PeftAdapterMixin, CacheMixin, AttentionMixin
):
    """Wan2.1's transformer with video references, reference audio and a background.

    Rotary positions: every stream keeps the rows and columns of its own frame; along time the
    target starts at 0, the background stands at ``background_position`` and the reference starts at
    ``reference_position``. Background and reference carry the modulation of
    ``reference_timestep`` (clean), the target that of its noise level: two rows, not one a token.
    """

    _supports_gradient_checkpointing = True
    _skip_layerwise_casting_patterns: ClassVar[list[str]] = [
        "patch_embedding",
        "condition_embedder",
        "norm",
    ]
    _no_split_modules: ClassVar[list[str]] = ["AvatarBlock"]
    _keep_in_fp32_modules: ClassVar[list[str]] = [
        "time_embedder",
        "scale_shift_table",
        "norm1",
        "norm2",
        "norm3",
    ]
    _repeated_blocks: ClassVar[list[str]] = ["AvatarBlock"]

    @register_to_config
    def __init__(  # noqa: PLR0913, PLR0917 the arguments are the fields of the checkpoint's config
        self,
        patch_size: tuple[int, int, int] = (1, 2, 2),
        num_attention_heads: int = 40,
        attention_head_dim: int = 128,
        in_channels: int = 16,
        out_channels: int = 16,
        text_dim: int = 4096,
        audio_dim: int = 768,
        audio_context: int = 2,
        freq_dim: int = 256,
        ffn_dim: int = 13824,
        num_layers: int = 40,
        cross_attn_norm: bool = True,
        eps: float = 1e-6,
        rope_max_seq_len: int = 1024,
        background_position: int = 100,
        reference_position: int = 200,
        reference_timestep: float = 0.0,
        refiner_width: int = 0,
    ) -> None:
        super().__init__()
        dim = num_attention_heads * attention_head_dim
        self.rope = WanRotaryPosEmbed(attention_head_dim, patch_size, rope_max_seq_len)
        self.patch_embedding = nn.Conv3d(in_channels, dim, patch_size, stride=patch_size)
        self.condition_embedder = WanTimeTextImageEmbedding(
            dim=dim, time_freq_dim=freq_dim, time_proj_dim=dim * 6, text_embed_dim=text_dim
        )
        self.audio_embedder = AudioEmbedder(audio_dim, dim, audio_context)
        self.stream_embedding = nn.Parameter(torch.zeros(2, dim))  # background, reference
        self.blocks = nn.ModuleList(
            AvatarBlock(dim, ffn_dim, num_attention_heads, cross_attn_norm, eps)
            for _ in range(num_layers)
        )
        self.norm_out = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(dim, out_channels * math.prod(patch_size))
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)
        self.refiner = LatentRefiner(out_channels, refiner_width) if refiner_width else None
        self.gradient_checkpointing = False
        self.patch_size = patch_size
        self.positions = (background_position, reference_position)
        self.reference_timestep = reference_timestep

    @property
    def layers(self) -> list[AvatarBlock]:
        """The blocks, as what they are."""
        return cast(list[AvatarBlock], list(self.blocks))

    def rotary(self, grid: tuple[int, int, int], start: int) -> Rotary:
        """Rotary cosines and sines of a (T, H, W) grid of tokens that starts at time ``start``."""
        frames, rows, columns = grid
        sizes = [self.rope.t_dim, self.rope.h_dim, self.rope.w_dim]

        def lay(table: Tensor) -> Tensor:
            time, down, across = table.split(sizes, dim=1)
            parts = (
                time[start : start + frames].view(frames, 1, 1, -1),
                down[:rows].view(1, rows, 1, -1),
                across[:columns].view(1, 1, columns, -1),
            )
            laid = torch.cat([p.expand(frames, rows, columns, -1) for p in parts], -1)
            return laid.reshape(1, frames * rows * columns, 1, -1)

        return lay(cast(Tensor, self.rope.freqs_cos)), lay(cast(Tensor, self.rope.freqs_sin))

    def embed(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T, H, W) to tokens (B, N, D)."""
        return self.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous()

    def auxiliary_stream(self, latents: Tensor, chosen: Selection, kind: int) -> Stream:
        """Tokens of the background (kind 0) or the reference (kind 1), selected after positions."""
        grid = patch_grid(latents.shape, self.patch_size)
        cos, sin = self.rotary(grid, self.positions[kind])
        tokens = chosen.gather(self.embed(latents)) + self.stream_embedding[kind]
        rotary = (chosen.gather(cos[0, :, 0])[:, :, None], chosen.gather(sin[0, :, 0])[:, :, None])
        return Stream(tokens=tokens, rotary=rotary, valid=chosen.valid)

    def modulations(self, timestep: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Time embedding (B, D), its projection (B, 6, D) and the embedded text (B, L, D)."""
        temb, projected, text, _ = self.condition_embedder(timestep, text)
        return temb, projected.unflatten(1, (6, -1)), text

    def encode_reference(
        self, latents: Tensor, chosen: Selection, empty_text: Tensor, audio: Tensor | None
    ) -> ReferenceCache:
        """Run the reference stream alone through all blocks (TAVR eq. 2, the second call).

        Args:
            latents: (B, C, T_ref, H, W) of the reference clip.
            chosen: its selected tokens.
            empty_text: (B, L, text_dim) features of the empty prompt, so that one cache serves
                every guidance branch.
            audio: (B, frames, audio_dim) features of the reference's own speech at the video's
                rate, or None to leave the reference deaf (Table 3).

        """
        stream = self.auxiliary_stream(latents, chosen, kind=1)
        x, rotary = stream.tokens, stream.rotary
        timestep = torch.full((len(x),), self.reference_timestep, device=x.device)
        _, temb, text = self.modulations(timestep, empty_text)
        heard = None if audio is None else self.audio_embedder(audio, latents.shape[2])
        mask = None if heard is None else self._own_frame(chosen, latents, heard.shape[2])
        layers: list[KeyValue] = []
        for block in self.layers:
            modulation = block.modulation(temb)
            q, k, v = queries_keys_values(block.attn1, block.attention_input(x, modulation), rotary)
            layers.append((k, v))
            x = block.after_attention(
                x, attend(block.attn1, q, k, v, stream.valid), modulation[2], text
            )
            if heard is not None:
                x = block.hear(x, heard.flatten(1, 2), mask)
            x = block.feed_forward(x, modulation)
        return ReferenceCache(layers=tuple(layers), valid=stream.valid)

    def _own_frame(self, chosen: Selection, latents: Tensor, audio_tokens: int) -> Tensor:
        """(B, N_ref, T_ref * L): a reference token hears the audio of its own latent frame."""
        frames, rows, columns = patch_grid(latents.shape, self.patch_size)
        frame_of_token = chosen.index // (rows * columns)
        frame_of_key = torch.arange(frames, device=latents.device).repeat_interleave(audio_tokens)
        return frame_of_token[..., None] == frame_of_key

    def forward(  # noqa: PLR0913, PLR0917 a stream each
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        audio: Tensor | None = None,
        background: tuple[Tensor, Selection] | None = None,
        reference: ReferenceCache | None = None,
        motion: Tensor | None = None,
    ) -> Tensor:
        """Predict for noisy latents.

        Args:
            hidden_states: (B, C, T, H, W).
            timestep: (B,) in 0..1000, 1000 = noise.
            encoder_hidden_states: (B, L, text_dim).
            audio: (B, frames, audio_dim) driving speech features at the video's rate; the first
                row belongs to the first frame of ``motion``, if there is any.
            background: latents (B, C, 1, H, W) and their selected tokens.
            reference: from :meth:`encode_reference`.
            motion: (B, C, M, H, W) clean latents of what went before, prepended (TAVR, section
                3.1: Longer Video Generation).

        Returns:
            (B, C, T, H, W).

        """
        latents = hidden_states if motion is None else torch.cat([motion, hidden_states], 2)
        grid = patch_grid(latents.shape, self.patch_size)
        x = self.embed(latents)
        before = 0 if motion is None else motion.shape[2] * grid[1] * grid[2]
        target = x.shape[1]
        temb, row, text = self.modulations(timestep, encoder_hidden_states)
        rows = [(before, target, row)]
        rotary = self.rotary(grid, 0)
        valid = None
        if background is not None:
            aside = self.auxiliary_stream(*background, kind=0)
            x = torch.cat([x, aside.tokens], 1)
            rotary = _join_rotary(rotary, aside.rotary, len(x))
            valid = aside.valid
        if before or x.shape[1] > target:
            clean = torch.full_like(timestep, self.reference_timestep)
            _, clean_row, _ = self.modulations(clean, encoder_hidden_states)
            rows = [(0, before, clean_row), *rows, (target, x.shape[1], clean_row)]
        valid = _joint_validity(target, x, valid, reference)
        heard = None if audio is None else self.audio_embedder(audio, grid[0])
        for number, block in enumerate(self.layers):
            kv = None if reference is None else reference.layers[number]
            inputs = (block, x, rows, text, rotary, kv, valid, heard, target)
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = checkpoint(forward_target, *inputs, use_reentrant=False)
            else:
                x = forward_target(*inputs)
        out = self._unpatchify(x[:, :target], temb, grid)
        if self.refiner is not None:
            out = self.refiner(out, latents)
        return out[:, :, latents.shape[2] - hidden_states.shape[2] :]

    def _unpatchify(self, x: Tensor, temb: Tensor, grid: tuple[int, int, int]) -> Tensor:
        shift, scale = (self.scale_shift_table + temb.unsqueeze(1)).chunk(2, dim=1)
        x = self.proj_out((self.norm_out(x.float()) * (1 + scale) + shift).type_as(x))
        x = x.reshape(len(x), *grid, *self.patch_size, -1)
        return x.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _join_rotary(own: Rotary, other: Rotary, batch: int) -> Rotary:
    cos, sin = (
        torch.cat([a.expand(batch, -1, -1, -1), b.expand(batch, -1, -1, -1)], 1)
        for a, b in zip(own, other, strict=True)
    )
    return cos, sin


def _joint_validity(
    target: int, x: Tensor, background: Tensor | None, reference: ReferenceCache | None
) -> Tensor | None:
    """Which keys of [target, background, reference] count, or None when all do."""
    beside = x.shape[1] - target
    padded = reference is not None and reference.valid is not None
    if background is None and not padded:
        return None
    everything = x.new_ones((len(x), target), dtype=torch.bool)
    parts = [everything]
    if beside:
        parts.append(background if background is not None else everything[:, :1].expand(-1, beside))
    if reference is not None:
        seen, count = reference.valid, reference.layers[0][0].shape[1]
        parts.append(seen if seen is not None else everything[:, :1].expand(-1, count))
    return torch.cat(parts, 1)
