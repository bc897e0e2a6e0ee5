"""The diffusion transformer of TAVR on Wan's parts, with Reference Self-Attention.

Parameter names are those of diffusers' ``WanTransformer3DModel``; what TAVR adds (audio
cross-attention, stream embeddings) has names of its own and starts at zero, so with no reference,
background or audio the output is Wan's.
"""

import math
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

from likeness.model.config import MOVEMENT_SIZE
from likeness.model.encoders.audio import AudioEmbedder
from likeness.model.network.block import AvatarBlock, Given, KeyValue
from likeness.model.network.cache import ReferenceCache, Stamp
from likeness.model.network.embedding import Embedding
from likeness.model.network.movement import MovementInput, MovementStream, moving
from likeness.model.network.refiner import LatentRefiner
from likeness.model.network.streams import (
    Selection,
    join_rotary,
    joint_validity,
    patch_grid,
    unpatchify,
)


class AvatarTransformer3DModel(
    Embedding, ModelMixin, ConfigMixin, PeftAdapterMixin, CacheMixin, AttentionMixin
):
    """Wan2.1's transformer with video references, reference audio and a background.

    Rotary positions: every stream keeps the rows and columns of its own frame; along time the
    target starts at 0, the background stands at ``background_position`` and the reference starts at
    ``reference_position``. Background and reference carry the modulation of
    ``reference_timestep`` (clean), the target that of its noise level: two rows, not one a token.

    With ``movement_tokens`` above 0 a latent frame has so many tokens more for its movement.
    """

    _supports_gradient_checkpointing = True
    _skip_layerwise_casting_patterns: ClassVar[list[str]] = [
        "patch_embedding",
        "condition_embedder",
        "norm",
        "movement",
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
        movement_tokens: int = 0,
        movement_size: int = MOVEMENT_SIZE,
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
            AvatarBlock(
                dim, ffn_dim, num_attention_heads, cross_attn_norm, eps, moves=movement_tokens > 0
            )
            for _ in range(num_layers)
        )
        self.norm_out = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.proj_out = nn.Linear(dim, out_channels * math.prod(patch_size))
        self.scale_shift_table = nn.Parameter(torch.randn(1, 2, dim) / dim**0.5)
        self.refiner = LatentRefiner(out_channels, refiner_width) if refiner_width else None
        self.movement = None
        if movement_tokens:
            self.movement = MovementStream(movement_size, movement_tokens, dim, eps)
        self.gradient_checkpointing = False
        self.patch_size = patch_size
        self.positions = (background_position, reference_position)
        self.reference_timestep = reference_timestep

    @property
    def layers(self) -> list[AvatarBlock]:
        """The blocks, as what they are."""
        return cast(list[AvatarBlock], list(self.blocks))

    def encode_reference(
        self,
        latents: Tensor,
        chosen: Selection,
        empty_text: Tensor,
        audio: Tensor | None,
        movement: MovementInput | None = None,
    ) -> ReferenceCache:
        """Run the reference stream alone through all blocks (TAVR eq. 2, the second call).

        Args:
            latents: (B, C, T_ref, H, W) of the reference clip.
            chosen: its selected tokens.
            empty_text: (B, L, text_dim) features of the empty prompt, so that one cache serves
                every guidance branch.
            audio: (B, frames, audio_dim) features of the reference's own speech at the video's
                rate, or None to leave the reference deaf (Table 3).
            movement: of the reference, or of another clip whose manner is wanted.

        """
        timestep = torch.full((len(latents),), self.reference_timestep, device=latents.device)
        # Through forward's door, where hooks stand: offloading brings the weights there.
        given = {"audio": audio, "reference_tokens": chosen, "movement": movement}
        return self(latents, timestep, empty_text, **given)

    def stamp(self) -> Stamp:
        """Return the state that a reference cache depends on."""
        constants = (self.reference_timestep, self.positions[1])
        return Stamp.of(self, layout=self.layout, constants=constants)

    def forward(  # noqa: PLR0913, PLR0917 a stream each
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        audio: Tensor | None = None,
        background: tuple[Tensor, Selection] | None = None,
        reference: ReferenceCache | None = None,
        motion: Tensor | None = None,
        reference_tokens: Selection | None = None,
        movement: MovementInput | None = None,
    ) -> Tensor | tuple[Tensor, Tensor] | ReferenceCache:
        """Predict for noisy latents; all inputs may be of any floating type.

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
            reference_tokens: says that the latents are a reference's and which tokens of it are
                selected, as :meth:`encode_reference` does.
            movement: of the latent frames of ``hidden_states``, at a noise level of its own.

        Returns:
            (B, C, T, H, W) of the latents' type, with movement also what is predicted of it
            (B, T, size); or the reference's keys and values.

        Raises:
            ModelError: the reference cache is not of this transformer as it is now, or it has no
                movement stream.

        """
        kind = self.dtype
        text, sound = encoder_hidden_states.to(kind), None if audio is None else audio.to(kind)
        if reference_tokens is not None:
            return self._encode(
                hidden_states.to(kind), timestep, text, sound, (reference_tokens, movement)
            )
        before = 0 if motion is None else motion.shape[2]
        latents = hidden_states if motion is None else torch.cat([motion, hidden_states], 2)
        latents = latents.to(kind)
        grid = patch_grid(latents.shape, self.patch_size)
        x, rotary = self.frames(latents, grid)
        target, known = x.shape[1], x.shape[1] // grid[0] * before
        temb, row, prompt = self.modulations(timestep, text)
        own, moved = self.movement_stream(movement, before, kind=0), temb
        if movement is not None and self.movement is not None:
            x = self.movement.tell(x, movement, known)
        valid = None
        if background is not None:
            aside = self.auxiliary_stream(background[0].to(kind), background[1], kind=0)
            x = torch.cat([x, aside.tokens], 1)
            rotary = join_rotary(rotary, aside.rotary, len(x))
            valid = aside.valid
        if reference is not None:
            reference.check(self.stamp(), x)
        valid = joint_validity(target, x, valid, reference)
        rows = [(known, target, row)]
        if known or x.shape[1] > target:
            clean = torch.full_like(timestep, self.reference_timestep)
            _, clean_row, _ = self.modulations(clean, text)
            rows = [(0, known, clean_row), *rows, (target, x.shape[1], clean_row)]
        if movement is not None and own is not None:
            moved, own_row, _ = self.modulations(movement.timestep, text)
            rows.append((x.shape[1], x.shape[1] + own.tokens.shape[1], own_row))
            x = torch.cat([x, own.tokens], 1)
            rotary = join_rotary(rotary, own.rotary, len(x))
        given = Given(
            rows=tuple(r for r in rows if r[0] < r[1]),
            text=prompt,
            rotary=rotary,
            valid=valid,
            heard=None if sound is None else self.audio_embedder(sound, grid[0]),
            framed=target,
            moving=moving(own, reference),
        )
        for number, block in enumerate(self.layers):
            kv = None if reference is None else reference.layer(number)
            x, _ = self._run(block, x, given, kv)
        patches = self._out(x[:, :target].unflatten(1, (grid[0], -1)), temb)
        out = unpatchify(patches, grid, self.patch_size)
        if self.refiner is not None:
            out = self.refiner(out, latents)
        out = out[:, :, before:].to(hidden_states.dtype)
        if own is None or self.movement is None:
            return out
        return out, self.movement.predict(x[:, -own.tokens.shape[1] :], moved).to(out)

    def _encode(
        self,
        latents: Tensor,
        timestep: Tensor,
        text: Tensor,
        audio: Tensor | None,
        of: tuple[Selection, MovementInput | None],
    ) -> ReferenceCache:
        stream = self.auxiliary_stream(latents, of[0], kind=1)
        own = self.movement_stream(of[1], self.positions[1], kind=1)
        joined = stream if own is None else stream.followed_by(own)
        _, row, prompt = self.modulations(timestep, text)
        x = joined.tokens
        given = Given(
            rows=((0, x.shape[1], row),),
            text=prompt,
            rotary=joined.rotary,
            valid=stream.valid,
            heard=None if audio is None else self.audio_embedder(audio, latents.shape[2]),
            frame=joined.frame,
            moving=moving(own, None),
        )
        layers: list[KeyValue] = []
        for block in self.layers:
            x, kept = self._run(block, x, given, keep=True)
            layers.append(cast(KeyValue, kept))
        return ReferenceCache(
            layers=tuple(layers),
            valid=joined.valid,
            made_with=self.stamp(),
            moving=0 if own is None else own.tokens.shape[1],
        )

    def _run(
        self,
        block: AvatarBlock,
        x: Tensor,
        given: Given,
        reference: KeyValue | None = None,
        *,
        keep: bool = False,
    ) -> tuple[Tensor, KeyValue | None]:
        if torch.is_grad_enabled() and self.gradient_checkpointing:
            return checkpoint(block, x, given, reference, keep=keep, use_reentrant=False)
        return block(x, given, reference, keep=keep)

    def _out(self, x: Tensor, temb: Tensor) -> Tensor:
        """(B, T, N, D) to patches; under context parallelism N is a share, and comes whole."""
        shift, scale = (self.scale_shift_table + temb.unsqueeze(1))[:, None].chunk(2, dim=2)
        out = self.proj_out((self.norm_out(x.float()) * (1 + scale) + shift).type_as(x))
        return self.whole_of(out, 2)
