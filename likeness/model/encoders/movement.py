"""Movement as the transformer takes it: coefficients of video frames gathered by latent frame."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from likeness.model.config import ModelError, latent_frames
from likeness.model.encoders.codec import TIME
from likeness.store.atomic import replacing

FLOOR = 1e-3  # a coefficient that never moves isn't blown up


def by_latent(coefficients: Tensor) -> Tensor:
    """Gather (..., 1 + 4k, K) of video frames to (..., 1 + k, 4 K) of latent frames.

    Nothing is pooled: a blink lasts four to six frames. The first latent frame covers one video
    frame, which fills its four places. A rest that fills no latent frame goes.
    """
    whole = 1 + TIME * (latent_frames(coefficients.shape[-2]) - 1)
    first = coefficients[..., :1, :]
    padded = torch.cat([*[first] * (TIME - 1), coefficients[..., :whole, :]], -2)
    return padded.unflatten(-2, (-1, TIME)).flatten(-2)


def by_frame(gathered: Tensor) -> Tensor:
    """Undo :func:`by_latent`: (..., T, 4 K) to (..., 1 + 4 (T - 1), K).

    Of a prediction's first frame, which says one thing four times, it is the mean.
    """
    frames = gathered.unflatten(-1, (TIME, -1))
    first = frames[..., :1, :, :].mean(-2)
    return torch.cat([first, frames[..., 1:, :, :].flatten(-3, -2)], -2)


@dataclass(frozen=True, kw_only=True)
class MovementScale:
    """What the coefficients are, and their usual range, to which they are brought.

    Attributes:
        names: of the K coefficients of a video frame, in order.
        mean, std: (K,) each, over the frames of a data set.

    """

    place: ClassVar[str] = "movement.json"

    names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.mean) == len(self.std) > 0:
            raise ModelError(
                f"movement: {len(self.names)} names, {len(self.mean)} means and {len(self.std)} "
                "deviations: there must be as many of each"
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and min(self.std) > 0):
            raise ModelError("movement: means must be finite and deviations positive")

    @classmethod
    def fit(cls, names: tuple[str, ...], coefficients: np.ndarray) -> "MovementScale":
        """Take mean and deviation of (N, K) frames of a data set; those with NaN are left out."""
        known = coefficients[np.isfinite(coefficients).all(1)].astype(np.float64)
        if len(known) < 2:
            raise ModelError(f"movement: its scale needs 2 frames with a face, got {len(known)}")
        std = np.maximum(known.std(0), FLOOR)
        return cls(names=names, mean=tuple(known.mean(0).tolist()), std=tuple(std.tolist()))

    @property
    def size(self) -> int:
        """Numbers of a latent frame."""
        return TIME * len(self.names)

    def encode(self, coefficients: Tensor) -> Tensor:
        """Normalise and gather (B, F, K) to (B, T, 4 K) float32; NaN stays.

        For frames that go on from motion latents, encode the whole take from its first frame and
        cut the latent frames out.
        """
        if coefficients.shape[-1] != len(self.names):
            raise ModelError(
                f"movement: {coefficients.shape[-1]} coefficients a frame, the checkpoint knows "
                f"{len(self.names)}: {', '.join(self.names)}"
            )
        mean, std = self._rows(coefficients)
        return by_latent((coefficients.float() - mean) / std)

    def decode(self, encoded: Tensor) -> Tensor:
        """(B, T, 4 K) back to (B, 1 + 4 (T - 1), K) in the coefficients' own units."""
        mean, std = self._rows(encoded)
        return by_frame(encoded.float()) * std + mean

    def _rows(self, like: Tensor) -> tuple[Tensor, Tensor]:
        mean, std = (torch.tensor(row, device=like.device) for row in (self.mean, self.std))
        return mean, std

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        with replacing(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "MovementScale":
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: it is missing or damaged.

        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{name: tuple(told[name]) for name in ("names", "mean", "std")})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{path} is missing or damaged: the movement stream needs the scale that it was "
                "trained with, bring the checkpoint's own"
            ) from error
