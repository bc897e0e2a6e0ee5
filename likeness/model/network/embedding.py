"""Latents, conditions and movement to tokens, each stream at its own place."""

from diffusers.models.transformers.transformer_wan import (
    WanRotaryPosEmbed,
    WanTimeTextImageEmbedding,
)
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.model.network.block import Rotary
from likeness.model.network.division import Divided
from likeness.model.network.movement import MovementInput, MovementStream
from likeness.model.network.streams import Selection, Stream, patch_grid, rotary_grid


class Embedding(Divided):
    """What of a transformer comes before its blocks.

    Attributes:
        positions: where background and reference stand along time.
        movement: None in a transformer without the stream.

    """

    rope: WanRotaryPosEmbed
    patch_embedding: nn.Conv3d
    patch_size: tuple[int, int, int]
    condition_embedder: WanTimeTextImageEmbedding
    stream_embedding: nn.Parameter
    positions: tuple[int, int]
    movement: MovementStream | None

    def embed(self, latents: Tensor) -> Tensor:
        """Latents (B, C, T, H, W) to tokens (B, N, D)."""
        return self.patch_embedding(latents).flatten(2).transpose(1, 2).contiguous()

    def auxiliary_stream(self, latents: Tensor, chosen: Selection, kind: int) -> Stream:
        """Tokens of the background (kind 0) or the reference (kind 1), selected after positions.

        Under context parallelism they are this process's share.
        """
        chosen = chosen.padded(self.layout[1])
        grid = patch_grid(latents.shape, self.patch_size)
        cos, sin = rotary_grid(self.rope, grid, self.positions[kind])
        tokens = chosen.gather(self.embed(latents)) + self.stream_embedding[kind]
        valid = chosen.valid
        return Stream(
            tokens=self.share_of(tokens, 1),
            rotary=(
                self.share_of(chosen.gather(cos[0, :, 0])[:, :, None], 1),
                self.share_of(chosen.gather(sin[0, :, 0])[:, :, None], 1),
            ),
            valid=None if valid is None else self.share_of(valid, 1),
            frame=self.share_of(chosen.index // (grid[1] * grid[2]), 1),
        )

    def frames(self, latents: Tensor, grid: tuple[int, int, int]) -> tuple[Tensor, Rotary]:
        """Tokens (B, T * N, D) of whole latent frames of N tokens and their rotary positions."""
        if grid[1] * grid[2] % self.layout[1]:
            raise ModelError(
                f"{self.layout[1]} processes can't share frames of {grid[1]} x {grid[2]} tokens "
                "evenly: choose a number that divides them"
            )
        cos, sin = (
            self.share_of(table.unflatten(1, (grid[0], -1)), 2).flatten(1, 2)
            for table in rotary_grid(self.rope, grid, 0)
        )
        tokens = self.share_of(self.embed(latents).unflatten(1, (grid[0], -1)), 2)
        return tokens.flatten(1, 2), (cos, sin)

    def modulations(self, timestep: Tensor, text: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Time embedding (B, D), its projection (B, 6, D) and the embedded text (B, L, D)."""
        temb, projected, text, _ = self.condition_embedder(timestep, text)
        return temb, projected.unflatten(1, (6, -1)), text

    def movement_stream(self, given: MovementInput | None, start: int, kind: int) -> Stream | None:
        """Tokens of the clip's movement (kind 0) or the reference's (kind 1) from time ``start``.

        Under context parallelism every process has all of them: they are few, and only their
        queries meet keys that are divided.
        """
        if given is None:
            return None
        if self.movement is None:
            raise ModelError(
                "this checkpoint has no movement stream, so it can neither follow movement nor "
                "take a manner: choose one whose transformer has movement_tokens"
            )
        return self.movement.stream(
            given.to(self.patch_embedding.weight.dtype), self.rope, start=start, kind=kind
        )
