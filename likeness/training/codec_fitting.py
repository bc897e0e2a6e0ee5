"""Fitting the tiny codec: principal components first, then the decoder's convolutions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from likeness.model.config import ModelError
from likeness.model.encoders.codec import TinyCodec, to_blocks
from likeness.model.encoders.encoding import boxes_by_latent, to_signed
from likeness.model.encoders.interfaces import Codec
from likeness.model.network.streams import tokens_in_boxes
from likeness.store.progress import Progress, silent
from likeness.training.batch import RegionWeights
from likeness.training.drafting import Drafts
from likeness.training.state import write_state
from likeness.training.talking_set import TalkingSet


@dataclass(frozen=True, kw_only=True)
class CodecTraining:
    """Settings of the fit.

    Attributes:
        windows: how many clips the components are fitted to.
        steps, batch, frames, lr: of the decoder, on clips of ``frames`` (1 + 4k).
        drafts: clips a step where it is fitted to drafts; every other step is, if there are any.
        noise: latents are decoded with noise of a level drawn from 0..noise, so that the
            decoder also cleans what a generator gets slightly wrong.
        detail: weight of the difference of neighbouring pixels: keeps edges sharp, seams out.
        regions: how much more face and mouth count.

    """

    windows: int = 600
    steps: int = 1000
    batch: int = 8
    frames: int = 9
    drafts: int = 3
    lr: float = 2e-3
    noise: float = 0.25
    detail: float = 1.0
    regions: RegionWeights = field(
        default_factory=lambda: RegionWeights(face=2.0, mouth=6.0, rest=1.0)
    )
    save_every: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.frames % 4 != 1:
            raise ModelError(f"codec.frames must be 1 + 4k, got {self.frames}")
        if self.windows < 1 or self.steps < 1:
            raise ModelError("codec.windows and codec.steps must be positive")


def fittable(codec: Codec) -> TinyCodec:
    """Return the codec if it can be fitted.

    Raises:
        ModelError: it is one that stays as it was published.

    """
    if not isinstance(codec, TinyCodec):
        raise ModelError("this generator's codec stays as published; only the tiny one is fitted")
    return codec


def draw_windows(
    data: TalkingSet, rng: np.random.Generator, count: int, frames: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Random clips (N, frames, H, W, 3) in -1..1; face and mouth boxes (N, frames, 4) of 0..1."""
    people, scenes, total = data.frames.shape[:3]
    rows = zip(
        rng.integers(people, size=count),
        rng.integers(scenes, size=count),
        rng.integers(total - frames + 1, size=count),
        strict=True,
    )
    return cut(data, [(p, s, slice(a, a + frames)) for p, s, a in rows])


def cut(data: TalkingSet, where: Sequence[tuple[int, int, slice]]) -> tuple[Tensor, Tensor, Tensor]:
    """Clips at (person, scene, frames), as :func:`draw_windows` gives them."""
    video = to_signed(np.stack([data.frames[w] for w in where]))
    boxes, mouths = (
        torch.from_numpy(np.stack([array[w] for w in where])).float() / data.frames.shape[3]
        for array in (data.boxes, data.mouths)
    )
    return video, boxes, mouths


def fit_components(codec: TinyCodec, data: TalkingSet, config: CodecTraining) -> None:
    """Fit the linear transform to blocks weighted towards face and mouth."""
    rng = np.random.default_rng([config.seed, 0])
    video, boxes, mouths = draw_windows(data, rng, config.windows, 25)
    blocks = to_blocks(video)
    grid = (blocks.shape[2], blocks.shape[3])
    weights = torch.full(blocks.shape[:4], config.regions.rest)
    for region, weight in ((boxes, config.regions.face), (mouths, config.regions.mouth)):
        inside = tokens_in_boxes(boxes_by_latent(region), grid, 0.0).unflatten(-1, grid)
        weights[inside] = weight
    codec.fit_blocks(blocks.flatten(0, 3), weights.flatten())


def decoding_loss(decoded: Tensor, video: Tensor, weight: Tensor, detail: float) -> Tensor:
    """Weighted absolute error of pixels and of differences between neighbours.

    decoded, video: (B, T, H, W, 3); weight: (B, T, H, W, 1).
    """
    error = decoded - video
    down = (error[:, :, 1:] - error[:, :, :-1]).abs() * weight[:, :, 1:]
    across = (error[:, :, :, 1:] - error[:, :, :, :-1]).abs() * weight[:, :, :, 1:]
    return (error.abs() * weight).mean() + detail * (down.mean() + across.mean())


def pixel_weights(boxes: Tensor, mouths: Tensor, size: int, regions: RegionWeights) -> Tensor:
    """(B, T, size, size, 1) weights with mean 1."""
    out = torch.full((*boxes.shape[:2], size, size), regions.rest)
    for region, weight in ((boxes, regions.face), (mouths, regions.mouth)):
        out[tokens_in_boxes(region, (size, size), 0.0).unflatten(-1, (size, size))] = weight
    return (out / out.mean())[..., None]


def fit_decoder(
    codec: TinyCodec,
    data: TalkingSet,
    config: CodecTraining,
    *,
    state: Path,
    drafts: Drafts | None = None,
    progress: Progress = silent,
) -> None:
    """Train the decoder's convolutions; resumes from ``state`` to the same bits.

    Latents of true clips with a little noise teach it to draw; ``drafts`` teach it to mend what
    the generator gets wrong, such as tokens whose edges don't meet.
    """
    codec.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(codec.parameters(), lr=config.lr, weight_decay=0.0)
    start = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        codec.load_state_dict(saved["codec"])
        optimiser.load_state_dict(saved["optimiser"])
        start = saved["step"]
    for step in range(start, config.steps):
        lesson = _true_clips if drafts is None or step % 2 else partial(_drafts, drafts)
        loss = _decoder_step(codec, lesson, data, config, step, optimiser)
        progress(step + 1, config.steps, f"decoder loss {loss:.4f}")
        if (step + 1) % config.save_every == 0 or step + 1 == config.steps:
            saved = {
                "codec": codec.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step + 1,
            }
            write_state(state, saved)
    codec.eval().requires_grad_(False)


Lesson = Callable[
    [TinyCodec, TalkingSet, CodecTraining, np.random.Generator],
    tuple[Tensor, Tensor, Tensor, Tensor],
]


def _true_clips(
    codec: TinyCodec, data: TalkingSet, config: CodecTraining, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw latents with noise, and the true video with its boxes of faces and mouths."""
    chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
    video, boxes, mouths = draw_windows(data, rng, config.batch, config.frames)
    clean = codec.encode(video)
    level = torch.rand(len(clean), 1, 1, 1, 1, generator=chance) * config.noise
    return clean + level * torch.randn(clean.shape, generator=chance), video, boxes, mouths


def _drafts(
    drafts: Drafts,
    codec: TinyCodec,
    data: TalkingSet,
    config: CodecTraining,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw generated latents, and the true video with its boxes of faces and mouths."""
    rows = rng.integers(len(drafts.latents), size=config.drafts)
    frames = 1 + 4 * (drafts.latents.shape[2] - 1)
    where = [(p, s, slice(a, a + frames)) for p, s, a in drafts.where[rows].tolist()]
    return drafts.latents[rows], *cut(data, where)


def _decoder_step(
    codec: TinyCodec,
    lesson: Lesson,
    data: TalkingSet,
    config: CodecTraining,
    step: int,
    optimiser: torch.optim.Optimizer,
) -> float:
    rng = np.random.default_rng([config.seed, 1, step])
    for group in optimiser.param_groups:
        group["lr"] = config.lr * min(1.0, (config.steps - step) / (0.5 * config.steps))
    latents, video, boxes, mouths = lesson(codec, data, config, rng)
    weight = pixel_weights(boxes, mouths, video.shape[2], config.regions)
    loss = decoding_loss(codec.decode(latents), video, weight, config.detail)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
    optimiser.step()
    return loss.item()


@torch.no_grad()
def psnr(video: Tensor, decoded: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio in dB of clips in -1..1, inside ``weight`` if given."""
    error = (decoded.clamp(-1, 1) - video).square()
    if weight is not None:
        mean = (error * weight).sum() / (weight.sum() * error.shape[-1])
    else:
        mean = error.mean()
    return float(10 * torch.log10(4 / mean))
