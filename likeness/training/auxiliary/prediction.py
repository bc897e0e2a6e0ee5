"""What the network takes the clean clip for, and the part of it that is decoded."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from likeness.model.config import ModelError, latent_frames
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.interfaces import Codec
from likeness.training.batch import Batch


def predicted_clean(z_t: Tensor, t: Tensor, velocity: Tensor) -> Tensor:
    """Give the clean latents that a velocity stands for, (B, C, T, h, w).

    z_t = (1 - t) z_0 + t eps and v = eps - z_0, so z_0 = z_t - t v.
    """
    return z_t - t.view(-1, 1, 1, 1, 1) * velocity


@dataclass(frozen=True, kw_only=True)
class Window:
    """Latent frames that are decoded as a clip of their own, and what comes of them.

    Attributes:
        start, stop: latent frames of the whole window, motion latents included.
        skipped: frames at the beginning of the decoded ones that are not looked at: 1 where the
            first latent frame is not to be judged or begins inside the clip, where it stands for 4
            frames and is decoded as 1. It is there as the context of the next.

    """

    start: int
    stop: int
    skipped: int

    @property
    def first_frame(self) -> int:
        """Number of the first video frame that is looked at."""
        return TIME * self.start + self.skipped


def draw_window(total: int, motion: int, length: int, chance: torch.Generator) -> Window:
    """Draw which of ``total`` latent frames, of which the first ``motion`` are given, are decoded.

    ``length`` 0 takes all, but for motion latents before the last.
    """
    earliest = max(0, motion - 1)
    kept = min(length or total, total - earliest)
    places = total - kept - earliest + 1
    start = earliest + int(torch.randint(places, (), generator=chance))
    return Window(start=start, stop=start + kept, skipped=int(start > 0 or motion > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """What the losses look at: N rows, f frames of a window out of F.

    Attributes:
        made: (N, f, H, W, 3) the decoded prediction, in about -1..1.
        true: (N, f, H, W, 3) the decoded truth.
        boxes: (N, F, 4) face boxes of all frames in pixels, NaN rows without a face.
        five: (N, F, 5, 2) points of face alignment in pixels, NaN where unknown.
        first: number of the window's first frame.
        portrait: (N, D), or None.
        audio: (N, samples), or None.

    """

    made: Tensor
    true: Tensor
    boxes: np.ndarray
    five: np.ndarray
    first: int
    portrait: Tensor | None
    audio: Tensor | None

    @property
    def shown(self) -> Tensor:
        """The prediction as it would be seen, in -1..1: networks know nothing brighter."""
        return self.made.clamp(-1, 1)

    @property
    def stretch(self) -> slice:
        """The window's frames out of F."""
        return slice(self.first, self.first + self.made.shape[1])

    @property
    def boxed(self) -> np.ndarray:
        """(N, f) bool, frames with a face box."""
        return np.asarray(np.isfinite(self.boxes[:, self.stretch]).all(-1))

    @property
    def marked(self) -> np.ndarray:
        """(N, f) bool, frames whose five points are known."""
        return np.asarray(np.isfinite(self.five[:, self.stretch]).all((-2, -1)))


def decode_scene(codec: Codec, clean: Tensor, batch: Batch, window: Window) -> Scene:
    """Decode a window of the predicted latents (N, C, T, h, w) and of the true ones.

    The gradient goes to ``clean`` alone.

    Raises:
        ModelError: the batch's boxes are not those of its latents' frames.

    """
    motion = batch.cond.motion
    total = clean.shape[2] + (0 if motion is None else motion.shape[2])
    if latent_frames(batch.boxes.shape[1]) != total:
        raise ModelError(
            f"a batch has face boxes of {batch.boxes.shape[1]} frames and {total} latent frames: "
            f"boxes are wanted of {1 + TIME * (total - 1)} frames, motion included"
        )

    def decoded(latents: Tensor) -> Tensor:
        joined = latents if motion is None else torch.cat([motion.to(latents), latents], 2)
        return codec.decode(joined[:, :, window.start : window.stop])[:, window.skipped :]

    with torch.no_grad():
        true = decoded(batch.clean)
    height, width = true.shape[2:4]
    size = np.array([width, height], dtype=np.float64)
    boxes = batch.boxes.double().cpu().numpy()
    unknown = np.full((*boxes.shape[:2], 5, 2), np.nan)
    five = unknown if batch.five is None else batch.five.double().cpu().numpy()
    return Scene(
        made=decoded(clean),
        true=true,
        boxes=boxes * np.tile(size, 2),
        five=five * size,
        first=window.first_frame,
        portrait=batch.portrait,
        audio=batch.audio,
    )
