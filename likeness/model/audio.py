"""Speech features at the video's frame rate.

The tiny preset hears log-mel energies; the large ones hear Wav2Vec 2.0. Both give (frames, features)
aligned to video frames, so the transformer's audio path is the same.
"""

from functools import lru_cache

import numpy as np

SAMPLE_RATE = 16_000
MELS = 40
HOP = 160
WINDOW = 400
FFT = 512


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
