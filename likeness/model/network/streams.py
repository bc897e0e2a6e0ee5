"""Which tokens of a stream the transformer sees, and where they stand."""

from dataclasses import dataclass
from typing import cast

import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor
from torch.nn.functional import pad

from likeness.model.network.block import Rotary
from likeness.model.network.cache import ReferenceCache


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Tokens picked from a padded batch of streams.

    Attributes:
        index: (B, K) positions of the kept tokens in the full stream; rows are padded with dropped
            tokens where a row keeps fewer than K.
        valid: (B, K) True where the token was kept, or None when every row keeps exactly K, so that
            attention needs no mask.

    """

    index: Tensor
    valid: Tensor | None

    def gather(self, tokens: Tensor) -> Tensor:
        """Pick (B, K, D) from (B, N, D), or from (N, D) shared by the batch."""
        if tokens.dim() == 2:
            return tokens[self.index]
        return tokens.gather(1, self.index[..., None].expand(-1, -1, tokens.shape[-1]))

    def padded(self, multiple: int) -> "Selection":
        """Pad with dropped tokens to a multiple of a number, so that K divides by it."""
        more = -self.index.shape[1] % multiple
        if not more:
            return self
        valid = torch.ones_like(self.index, dtype=torch.bool) if self.valid is None else self.valid
        return Selection(index=pad(self.index, (0, more)), valid=pad(valid, (0, more)))


def select(keep: Tensor) -> Selection:
    """Turn a boolean map of kept tokens (B, N) into a :class:`Selection`.

    The order of the kept tokens is that of the stream. Position is added before the selection
    (TAVR, section 3.1), so a kept token knows where in its frame it came from.
    """
    counts = keep.sum(1)
    width = int(counts.max()) if keep.numel() else 0
    index = torch.argsort((~keep).to(torch.uint8), dim=1, stable=True)[:, :width]
    ragged = bool((counts != width).any())
    return Selection(index=index, valid=keep.gather(1, index) if ragged else None)


def tokens_in_boxes(
    boxes: Tensor, grid: tuple[int, int], margin: float, share: float = 0.0
) -> Tensor:
    """Mark the tokens of each frame of which a face box covers more than ``share``.

    Args:
        boxes: (..., 4) x0, y0, x1, y1 as fractions of the frame; a NaN row (no face) keeps nothing.
        grid: tokens down and across one frame.
        margin: by how much of its own size the box grows on each side.
        share: of a token's area, 0..1; 0 takes every token that the box touches.

    Returns:
        (..., rows * columns) bool.

    """
    rows, columns = grid
    x0, y0, x1, y1 = boxes.unbind(-1)
    grow_x, grow_y = (x1 - x0) * margin, (y1 - y0) * margin
    across = _covered(x0 - grow_x, x1 + grow_x, columns)
    down = _covered(y0 - grow_y, y1 + grow_y, rows)
    return (down[..., :, None] * across[..., None, :] > share).flatten(-2)


def _covered(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """(..., cells) share of each of the equal cells of 0..1 that lies between low and high."""
    edge = torch.arange(cells, device=low.device) / cells
    inside = torch.minimum(edge + 1 / cells, high[..., None]) - torch.maximum(edge, low[..., None])
    return inside.clamp_min(0).nan_to_num(0) * cells


def patch_grid(shape: tuple[int, ...], patch: tuple[int, int, int]) -> tuple[int, int, int]:
    """Frames, rows and columns of tokens for latents of shape (..., T, H, W)."""
    frames, height, width = shape[-3:]
    return frames // patch[0], height // patch[1], width // patch[2]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Selected tokens of one stream on their way through the blocks.

    Attributes:
        tokens: (B, N, D).
        rotary: (B, N, 1, head_dim) each.
        valid: (B, N) bool, or None when all are.
        frame: (B, N) latent frame that a token is of.

    """

    tokens: Tensor
    rotary: Rotary
    valid: Tensor | None
    frame: Tensor

    def followed_by(self, other: "Stream") -> "Stream":
        """Put another stream's tokens behind these."""
        valid = None
        if self.valid is not None or other.valid is not None:
            valid = torch.cat([_all_if_none(one) for one in (self, other)], 1)
        return Stream(
            tokens=torch.cat([self.tokens, other.tokens], 1),
            rotary=join_rotary(self.rotary, other.rotary, len(self.tokens)),
            valid=valid,
            frame=torch.cat([self.frame, other.frame], 1),
        )


def _all_if_none(stream: Stream) -> Tensor:
    if stream.valid is not None:
        return stream.valid
    return torch.ones_like(stream.frame, dtype=torch.bool)


def rotary_grid(rope: WanRotaryPosEmbed, grid: tuple[int, int, int], start: int) -> Rotary:
    """Rotary cosines and sines (1, N, 1, head_dim) of a (T, H, W) grid from time ``start``."""
    frames, rows, columns = grid
    sizes = [rope.t_dim, rope.h_dim, rope.w_dim]

    def lay(table: Tensor) -> Tensor:
        time, down, across = table.split(sizes, dim=1)
        parts = (
            time[start : start + frames].view(frames, 1, 1, -1),
            down[:rows].view(1, rows, 1, -1),
            across[:columns].view(1, 1, columns, -1),
        )
        laid = torch.cat([p.expand(frames, rows, columns, -1) for p in parts], -1)
        return laid.reshape(1, frames * rows * columns, 1, -1)

    return lay(cast(Tensor, rope.freqs_cos)), lay(cast(Tensor, rope.freqs_sin))


def rotary_place(rope: WanRotaryPosEmbed, time: Tensor, row: Tensor, column: Tensor) -> Rotary:
    """Rotary cosines and sines (1, N, 1, head_dim) of tokens at places (N,) each."""
    sizes = [rope.t_dim, rope.h_dim, rope.w_dim]

    def lay(table: Tensor) -> Tensor:
        along = zip(table.split(sizes, dim=1), (time, row, column), strict=True)
        return torch.cat([part[at] for part, at in along], -1)[None, :, None]

    return lay(cast(Tensor, rope.freqs_cos)), lay(cast(Tensor, rope.freqs_sin))


def unpatchify(x: Tensor, grid: tuple[int, int, int], patch: tuple[int, int, int]) -> Tensor:
    """Patches (B, T, N, patch values * channels) to latents (B, channels, T, H, W)."""
    x = x.reshape(len(x), *grid, *patch, -1)
    return x.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def join_rotary(own: Rotary, other: Rotary, batch: int) -> Rotary:
    """Put the positions of two streams behind each other, for so many rows."""
    cos, sin = (
        torch.cat([a.expand(batch, -1, -1, -1), b.expand(batch, -1, -1, -1)], 1)
        for a, b in zip(own, other, strict=True)
    )
    return cos, sin


def joint_validity(
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
        seen, count = reference.valid, reference.tokens - reference.moving
        parts.append(seen[:, :count] if seen is not None else everything[:, :1].expand(-1, count))
    return torch.cat(parts, 1)
