"""The small codec of the tiny preset: linear blocks in, a learned picture out.

It keeps the layout of Wan's VAE (8x in space, 4x in time, first frame alone), so masks, audio
windows and token grids are the same for every preset. The encoder is a principal-component
transform of blocks of 4 x 8 x 8 pixels, fitted in seconds; the decoder is its transpose followed
by a few convolutions that remove block seams and the grain of generated latents.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle, silu

from likeness.model.encoders.interfaces import one_by_one
from likeness.store.atomic import replacing

TIME, SPACE = 4, 8
BLOCK = TIME * SPACE * SPACE * 3
TOKEN = 2 * SPACE  # pixels: a generator's token is 2 x 2 blocks
PLACE = 4


@dataclass(frozen=True, kw_only=True)
class CodecConfig:
    """Sizes of the codec."""

    channels: int = 64
    width: int = 40
    depth: int = 3
    whitening: float = 0.6  # 0 keeps the components' own variances, 1 makes them equal


def to_blocks(video: Tensor) -> Tensor:
    """(B, 1 + 4k, H, W, 3) to (B, 1 + k, H / 8, W / 8, 768); frame 0 fills its block alone."""
    video = torch.cat([video[:, :1].expand(-1, TIME - 1, -1, -1, -1), video], 1)
    b, t, h, w, c = video.shape
    x = video.reshape(b, t // TIME, TIME, h // SPACE, SPACE, w // SPACE, SPACE, c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).flatten(4)


def from_blocks(blocks: Tensor) -> Tensor:
    """Inverse of :func:`to_blocks`; the first frame is the mean of its block."""
    x = _frames_of(blocks)
    return torch.cat([x[:, 0].mean(1, keepdim=True), x[:, 1:].flatten(1, 2)], 1)


def _frames_of(blocks: Tensor) -> Tensor:
    """(B, t, h, w, 768) to (B, t, 4, H, W, 3)."""
    b, t, h, w, _ = blocks.shape
    x = blocks.reshape(b, t, h, w, TIME, SPACE, SPACE, 3).permute(0, 1, 4, 2, 5, 3, 6, 7)
    return x.reshape(b, t, TIME, h * SPACE, w * SPACE, 3)


def token_place(height: int, width: int) -> Tensor:
    """(1, 4, H, W) where each pair of pixels stands in its token, as sines and cosines.

    The seams of generated latents run along the edges of tokens; this says where these are.
    """
    down, across = (2 * torch.pi * (torch.arange(n) + 0.5) * 2 / TOKEN for n in (height, width))
    rows = [wave(down)[:, None].expand(height, width) for wave in (torch.sin, torch.cos)]
    columns = [wave(across)[None].expand(height, width) for wave in (torch.sin, torch.cos)]
    return torch.stack(rows + columns)[None]


class Residual(nn.Module):
    """Two 3 x 3 convolutions in space and a mix over three frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(width, width, 3, padding=1)
        self.time = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.out = nn.Conv2d(width, width, 3, padding=1)
        for weight in (self.out.weight, self.time.weight):
            nn.init.zeros_(weight)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(B * frames, width, H, W) to the same."""
        hidden = silu(self.space(x)).unflatten(0, (-1, frames))
        return x + self.out(silu(self._mix(hidden).flatten(0, 1)))

    def stream(self, runs: Iterable[Tensor]) -> Iterator[Tensor]:
        """Do the same to runs (B, k, width, H, W) along time, a frame late.

        A frame is mixed when the next one is there, so two are kept; the last run is one frame.
        """
        kept: tuple[Tensor, Tensor] | None = None  # the last frame, its and the former's hidden
        for run in runs:
            x, hidden = run, silu(self.space(run.flatten(0, 1))).unflatten(0, run.shape[:2])
            if kept is not None:
                x, hidden = torch.cat([kept[0], x], 1), torch.cat([kept[1], hidden], 1)
            if x.shape[1] > 1:
                yield self._add(x[:, :-1], self._mix(hidden)[:, -x.shape[1] : -1])
            kept = x[:, -1:].clone(), hidden[:, -2:].clone()
        if kept is not None:
            yield self._add(kept[0], self._mix(kept[1])[:, -1:])

    def _add(self, x: Tensor, mixed: Tensor) -> Tensor:
        return x + self.out(silu(mixed.flatten(0, 1))).unflatten(0, x.shape[:2])

    def _mix(self, x: Tensor) -> Tensor:
        """Add to (B, T, C, H, W) its convolution along time, as shifted products in place.

        Twice as fast as ``self.time(x)``, which wants time to be the last axis.
        """
        before, at, after = self.time.weight[:, 0].view(1, 1, -1, 1, 1, 3).unbind(-1)
        out = x * (1 + at) + cast(Tensor, self.time.bias).view(1, 1, -1, 1, 1)
        out[:, 1:] += x[:, :-1] * before
        out[:, :-1] += x[:, 1:] * after
        return out


class TinyCodec(nn.Module):
    """Pixels (B, T, H, W, 3) in -1..1 to latents (B, C, 1 + (T - 1) / 4, H / 8, W / 8) and back."""

    place: ClassVar[str] = "codec.safetensors"
    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, config: CodecConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or CodecConfig()
        self.register_buffer("mean", torch.zeros(BLOCK))
        self.register_buffer("basis", torch.zeros(BLOCK, config.channels))
        self.register_buffer("scale", torch.ones(config.channels))
        self.inward = nn.Conv2d(12 + PLACE, config.width, 3, padding=1)
        self.refine = nn.ModuleList(Residual(config.width) for _ in range(config.depth))
        self.outward = nn.Conv2d(config.width, 12, 3, padding=1)
        for parameter in self.outward.parameters():
            nn.init.zeros_(parameter)

    @property
    def channels(self) -> int:
        """Latent channels."""
        return self.config.channels

    @torch.no_grad()
    def fit_blocks(self, blocks: Tensor, weights: Tensor) -> None:
        """Fit the transform to blocks (N, 768) with weights (N,) by principal components.

        Latents get mean 0 and, over all channels, variance 1; ``whitening`` says how far the
        channels' variances are brought together.
        """
        share = (weights / weights.sum()).double()
        blocks = blocks.double()
        mean = (share[:, None] * blocks).sum(0)
        centred = blocks - mean
        covariance = (centred * share[:, None]).T @ centred
        values, vectors = torch.linalg.eigh(covariance)
        order = torch.argsort(values, descending=True)[: self.channels]
        deviation = values[order].clamp_min(1e-12).sqrt()
        kept = deviation ** (1 - self.config.whitening)
        kept = kept / kept.square().mean().sqrt()
        self.mean.copy_(mean)
        self.basis.copy_(vectors[:, order])
        self.scale.copy_(kept / deviation)

    def encode(self, video: Tensor) -> Tensor:
        """Pixels in -1..1 to latents; T must be 1 + 4k, H and W multiples of 8."""
        coefficients = (to_blocks(video) - self.mean) @ self.basis * self.scale
        return coefficients.permute(0, 4, 1, 2, 3).contiguous()

    def decode_linear(self, latents: Tensor) -> Tensor:
        """Decode with the transform's transpose alone, without the convolutions."""
        return from_blocks(self._blocks(latents))

    def _blocks(self, latents: Tensor) -> Tensor:
        return (latents.permute(0, 2, 3, 4, 1) / self.scale) @ self.basis.T + self.mean

    def decode(self, latents: Tensor) -> Tensor:
        """Latents to pixels in about -1..1; differentiable."""
        rough = self.decode_linear(latents)
        b, t, h, w, _ = rough.shape
        images = rough.reshape(b * t, h, w, 3).permute(0, 3, 1, 2)
        hidden = self._inward(images)
        for block in self.refine:
            hidden = block(hidden, t)
        fine = images + pixel_shuffle(self.outward(hidden), 2)
        return fine.permute(0, 2, 3, 1).reshape(b, t, h, w, 3)

    def _inward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, width, H / 2, W / 2)."""
        halved = pixel_unshuffle(images, 2)
        place = token_place(*halved.shape[-2:]).to(halved).expand(len(halved), -1, -1, -1)
        return self.inward(torch.cat([halved, place], 1))

    @torch.no_grad()
    def stream(self, parts: Iterable[Tensor]) -> Iterator[Tensor]:
        """Decode latents that come in parts along time; each frame is ``depth`` frames late."""
        waiting: list[Tensor] = []  # frames (B, k, 3, H, W) that the convolutions still work on

        def runs() -> Iterator[Tensor]:
            for number, latents in enumerate(one_by_one(parts)):
                rough = _frames_of(self._blocks(latents))[:, 0]
                if number == 0:
                    rough = rough.mean(1, keepdim=True)
                images = rough.permute(0, 1, 4, 2, 3)
                waiting.append(images)
                yield self._inward(images.flatten(0, 1)).unflatten(0, images.shape[:2])

        done: Iterable[Tensor] = runs()
        for block in self.refine:
            done = cast(Residual, block).stream(done)
        for hidden in done:
            added = pixel_shuffle(self.outward(hidden.flatten(0, 1)), 2)
            here = torch.cat(waiting, 1)
            count = hidden.shape[1]
            waiting[:] = [here[:, count:].clone()]
            yield (here[:, :count] + added.unflatten(0, hidden.shape[:2])).permute(0, 1, 3, 4, 2)

    def save(self, path: Path) -> None:
        """Write weights (half precision, but for the transform) and sizes as safetensors."""
        state = {
            name: tensor if name in ("mean", "basis", "scale") else tensor.half()
            for name, tensor in self.state_dict().items()
        }
        with replacing(path) as partial:
            save_file({k: v.contiguous() for k, v in state.items()}, partial)

    @classmethod
    def load(cls, path: Path) -> "TinyCodec":
        """Read what :meth:`save` wrote."""
        state = load_file(path)
        width = state["inward.weight"].shape[0]
        depth = 1 + max(int(k.split(".")[1]) for k in state if k.startswith("refine."))
        config = CodecConfig(channels=state["basis"].shape[1], width=width, depth=depth)
        codec = cls(config)
        codec.load_state_dict({k: v.float() for k, v in state.items()})
        return codec.eval().requires_grad_(False)
