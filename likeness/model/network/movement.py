"""The movement stream: how head, eyes and mouth go, as tokens beside the clip's.

Avatar V calls it the motion stream and says two things of it: that it is a target and a condition
at once, and that it closes a loop. The rest is ours. "Motion latents" are something else (TAVR,
section 3.1: what went before a chunk).

Movement tokens go through the blocks with the clip's. They look at the clip, the background and the
reference in the same call as these do. They are looked at, by all and by each other, through the
same projections but in a softmax of their own and behind a gate that starts at zero (one number a
channel and layer). In one softmax they would take weight from the first step on, whatever they
said; and a row that goes without would need a mask over all keys, which costs the fast kernels.
"""

from dataclasses import dataclass, replace

import torch
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from torch import Tensor, nn

from likeness.model.config import ModelError
from likeness.model.encoders.codec import TIME
from likeness.model.network.block import Moving
from likeness.model.network.cache import ReferenceCache
from likeness.model.network.streams import Stream, rotary_place

FLOOR = 1e-4  # of variances, in units of the scale's
PLACE = 256  # row and first column of these tokens: no picture has so many rows


@dataclass(frozen=True, kw_only=True, eq=False)
class MovementInput:
    """Movement as the transformer takes it.

    Attributes:
        coefficients: (B, T, size) a latent frame, normalised, at the noise of ``timestep``.
        timestep: (B,) of their own in 0..1000: 0 = follow these, 1000 = noise. A reference's are
            clean, whatever this says.
        known: (B, T) bool: tokens of other frames are seen by nobody; None when all are known. A
            row without any is free: it is as if there were no movement.

    """

    coefficients: Tensor
    timestep: Tensor
    known: Tensor | None = None

    @classmethod
    def clean(cls, coefficients: Tensor) -> "MovementInput":
        """Take (B, T, size) as they are: to follow, or a reference's. NaN frames are unknown."""
        known = coefficients.isfinite().all(-1)
        return cls(
            coefficients=coefficients.nan_to_num(0.0, 0.0, 0.0),
            timestep=coefficients.new_zeros(len(coefficients), dtype=torch.float32),
            known=None if bool(known.all()) else known,
        )

    def to(self, dtype: torch.dtype) -> "MovementInput":
        """Bring the coefficients to a type."""
        return replace(self, coefficients=self.coefficients.to(dtype))


class MovementStream(nn.Module):
    """Coefficients to tokens, and what comes out of the blocks to a prediction.

    A latent frame has ``tokens`` of them. Along time they stand where the clip's tokens of that
    frame do, those of the reference where the reference's do; in space they have a place of their
    own, row PLACE and columns from PLACE on. The prediction starts at zero.

    Beside attention there are two short ways. The clip's tokens are told their own frame's
    movement, as far as it is not noise, by a projection that starts at zero. And the reference's
    tokens all know how it moves on the whole: mean, deviation and quickness of each coefficient.

    Args:
        size: numbers of a latent frame.
        tokens: of a latent frame.
        dim: of a token.
        eps: of the last norm.

    """

    def __init__(self, size: int, tokens: int, dim: int, eps: float) -> None:
        super().__init__()
        self.size, self.count = size, tokens
        self.embed = nn.Linear(size, tokens * dim)
        self.kind = nn.Parameter(torch.zeros(2, dim))  # the clip's, the reference's
        self.whole = nn.Linear(3 * (size // TIME), dim, bias=False)
        self.into_clip = nn.Linear(size, dim, bias=False)
        nn.init.zeros_(self.into_clip.weight)
        self.norm_out = FP32LayerNorm(dim, eps, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.zeros(1, 2, dim))
        self.head = nn.Linear(tokens * dim, size)
        for parameter in self.head.parameters():
            nn.init.zeros_(parameter)

    def stream(
        self, given: MovementInput, rope: WanRotaryPosEmbed, *, start: int, kind: int
    ) -> Stream:
        """Tokens (B, T * count, D) of movement whose first frame stands at time ``start``.

        Raises:
            ModelError: a latent frame has another number of coefficients.

        """
        batch, frames, size = given.coefficients.shape
        if size != self.size:
            raise ModelError(
                f"the movement has {size} numbers a latent frame, the transformer takes "
                f"{self.size}: encode it with the checkpoint's own scale"
            )
        tokens = self.embed(given.coefficients).view(batch, frames * self.count, -1)
        if kind:
            tokens = tokens + self.whole(summary(given))[:, None]
        at = torch.arange(frames, device=tokens.device).repeat_interleave(self.count)
        columns = PLACE + torch.arange(self.count, device=tokens.device).repeat(frames)
        known = given.known
        return Stream(
            tokens=tokens + self.kind[kind].to(tokens),
            rotary=rotary_place(rope, start + at, torch.full_like(at, PLACE), columns),
            valid=None if known is None else known.repeat_interleave(self.count, 1),
            frame=at.expand(batch, -1),
        )

    def tell(self, x: Tensor, given: MovementInput, behind: int) -> Tensor:
        """Add to the clip's tokens (B, N, D) what their latent frame's movement is.

        The first ``behind`` are motion latents', which are told nothing; every frame has as many.
        """
        certain = (1 - given.timestep / 1000)[:, None, None].to(given.coefficients)
        if given.known is not None:
            certain = certain * given.known[..., None]
        told = self.into_clip((given.coefficients * certain).to(x))
        new = x[:, behind:].unflatten(1, (told.shape[1], -1)) + told[:, :, None]
        return torch.cat([x[:, :behind], new.flatten(1, 2)], 1)

    def predict(self, x: Tensor, temb: Tensor) -> Tensor:
        """Tokens (B, T * count, D) and their time embedding (B, D) to (B, T, size)."""
        shift, scale = (self.scale_shift_table + temb.unsqueeze(1)).chunk(2, dim=1)
        hidden = (self.norm_out(x.float()) * (1 + scale) + shift).type_as(x)
        return self.head(hidden.reshape(len(x), -1, self.head.in_features))


def summary(given: MovementInput) -> Tensor:
    """Sum movement up: mean, log deviation and log quickness of K coefficients, (B, 3 K).

    Over the known frames; a row without any has zeros.
    """
    rows = given.coefficients.unflatten(-1, (TIME, -1)).float()  # (B, T, TIME, K)
    known = given.known if given.known is not None else rows.new_ones(rows.shape[:2])
    weight = (known.to(rows) / known.sum(1, keepdim=True).clamp_min(1))[:, :, None, None] / TIME
    mean = (rows * weight).sum((1, 2))
    spread = ((rows - mean[:, None, None]).square() * weight).sum((1, 2))
    steps = rows.diff(dim=2).square() * weight[..., :1, :] * TIME / (TIME - 1)
    parts = [mean, (spread + FLOOR).log() / 2, (steps.sum((1, 2)) + FLOOR).log() / 2]
    found = torch.cat(parts, -1) * known.any(1, keepdim=True)
    return found.to(given.coefficients)


def moving(own: Stream | None, reference: ReferenceCache | None) -> Moving | None:
    """Say where the clip's movement and the reference's are, or None where there is neither."""
    behind = 0 if reference is None else reference.moving
    if own is None and not behind:
        return None
    tokens, frames = 0, 0
    if own is not None:
        tokens, frames = own.tokens.shape[1], int(own.frame[0, -1]) + 1
    valid = [None if own is None else own.valid]
    if reference is not None and reference.valid is not None:
        valid.append(reference.valid[:, reference.tokens - behind :] if behind else None)
    return Moving(
        tokens=tokens, frames=frames, reference=behind, valid=_joined(valid, (tokens, behind))
    )


def _joined(valid: list[Tensor | None], counts: tuple[int, int]) -> Tensor | None:
    told = next((one for one in valid if one is not None), None)
    if told is None:
        return None
    padded = [*valid, None][:2]
    parts = [
        told.new_ones(len(told), count) if one is None else one
        for one, count in zip(padded, counts, strict=True)
    ]
    return torch.cat(parts, 1)
