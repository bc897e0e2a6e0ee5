"""Speech features at the video's frame rate.

The tiny preset hears log-mel energies: (frames, features) aligned to video frames. Whatever else
gives such rows fits the same audio path of the transformer.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

SAMPLE_RATE = 16_000
MELS = 40
HOP = 160
WINDOW = 400
FFT = 512
SLOT_SCALE = 0.02  # deviation of a slot's embedding as it is drawn


@lru_cache(maxsize=1)
def mel_filters() -> np.ndarray:
    """Triangular filters (MELS, FFT // 2 + 1), evenly spaced in mel from 60 Hz to 7.6 kHz."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 2595 * np.log10(1 + np.asarray(hertz) / 700)

    edges = np.linspace(mel(60.0), mel(7600.0), MELS + 2)
    bins = mel(np.linspace(0, SAMPLE_RATE / 2, FFT // 2 + 1))
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)


def log_mel(audio: np.ndarray, frames: int, fps: float = 25.0) -> np.ndarray:
    """Log-mel features of speech, a row a video frame.

    Args:
        audio: (samples,) float32 at 16 kHz in -1..1; beyond its end lies silence.
        frames: video frames wanted.
        fps: their rate; 100 / fps windows of 25 ms (hop 10 ms) make a row.

    Returns:
        (frames, 100 / fps * MELS) float32, about -1..1 (silence -1.6).

    """
    per_frame = round(SAMPLE_RATE / HOP / fps)
    count = frames * per_frame
    padded = np.zeros(count * HOP + WINDOW, np.float32)
    half = (WINDOW - HOP) // 2
    kept = audio[: count * HOP + WINDOW - half]
    padded[half : half + len(kept)] = kept
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    spectrum = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), FFT)) ** 2
    energies = np.log10(spectrum.astype(np.float32) @ mel_filters().T + 1e-6)
    return ((energies + 1.2) / 3.0).reshape(frames, per_frame * MELS).astype(np.float32)


@dataclass(frozen=True)
class LogMel:
    """The log-mel rows of :func:`log_mel` as a speech encoder; it has no weights."""

    place: ClassVar[str | None] = None

    def width(self, fps: float) -> int:
        """Numbers of a row: the mels of all its windows."""
        return round(SAMPLE_RATE / HOP / fps) * MELS

    def __call__(self, audio: np.ndarray, frames: int, fps: float) -> np.ndarray:
        """Speech (samples,) float32 at 16 kHz to (frames, width) float32."""
        return log_mel(audio, frames, fps)

    def save(self, folder: Path) -> None:
        """Write nothing."""

    @classmethod
    def load(cls, folder: Path) -> "LogMel":
        """Read nothing."""
        return cls()


class AudioEmbedder(nn.Module):
    """Speech features at the video's rate to the audio tokens of each latent frame.

    A latent frame covers ``stride`` video frames (the first one a single frame); its tokens are
    those frames and ``context`` more on either side, so L = stride + 2 * context.
    """

    stride = 4

    def __init__(self, audio_dim: int, dim: int, context: int) -> None:
        super().__init__()
        self.context = context
        self.mix = nn.Conv1d(audio_dim, dim, kernel_size=3, padding=1)
        self.project = nn.Sequential(nn.GELU(), nn.Linear(dim, dim), nn.LayerNorm(dim))
        self.slot = nn.Parameter(torch.randn(self.stride + 2 * context, dim) * SLOT_SCALE)

    def forward(self, features: Tensor, latent_frames: int) -> Tensor:
        """(B, frames, audio_dim) to (B, latent_frames, L, D); beyond the ends lies silence."""
        tokens = self.project(self.mix(features.transpose(1, 2)).transpose(1, 2))
        last = torch.arange(latent_frames, device=features.device) * self.stride
        window = torch.arange(len(self.slot), device=features.device)
        index = last[:, None] - (self.stride - 1 + self.context) + window
        inside = (index >= 0) & (index < features.shape[1])
        picked = tokens[:, index.clamp(0, features.shape[1] - 1)]
        return picked * inside[..., None] + self.slot
