"""Mel-frequency cepstral coefficients as SyncNet was trained on them.

The definition of the python_speech_features package with its defaults: rectangular window,
power spectrum divided by the FFT length, and log frame energy in place of coefficient 0.
"""

from functools import lru_cache

import numpy as np
from scipy.fft import dct

WINDOW_SECONDS = 0.025
STEP_SECONDS = 0.010
COEFFICIENTS = 13
FILTERS = 26
FFT = 512
PRE_EMPHASIS = 0.97
LIFTER = 22
BLOCK = 4096

_TINY = float(np.finfo(float).eps)


def mfcc(samples: np.ndarray, rate: int = 16_000) -> np.ndarray:
    """Coefficients of a sound, a row for each 10 ms.

    Args:
        samples: (n,) mono on the int16 scale, -32768..32767: coefficient 0 is a log energy, so
            the scale matters.
        rate: samples a second; a window of 25 ms must fit into the FFT of 512.

    Returns:
        (frames, 13) float64, frames = 1 + ceil((n - window) / step), the last one zero-padded.

    """
    frames = _frames(_pre_emphasise(samples), rate)
    # in blocks, so that a long film's spectra are not all in memory
    blocks = [frames[start : start + BLOCK] for start in range(0, len(frames), BLOCK)]
    return np.concatenate([_coefficients(block, rate) for block in blocks])


def _coefficients(frames: np.ndarray, rate: int) -> np.ndarray:
    power = np.abs(np.fft.rfft(frames, FFT)) ** 2 / FFT
    energy = power.sum(axis=1)
    bands = power @ mel_filters(rate).T
    logs = np.log(np.where(bands == 0, _TINY, bands))
    cepstrum = np.asarray(dct(logs, type=2, axis=1, norm="ortho"))
    n = np.arange(COEFFICIENTS)
    coefficients = cepstrum[:, :COEFFICIENTS] * (1 + LIFTER / 2 * np.sin(np.pi * n / LIFTER))
    coefficients[:, 0] = np.log(np.where(energy == 0, _TINY, energy))
    return coefficients


@lru_cache(maxsize=4)
def mel_filters(rate: int) -> np.ndarray:
    """Triangular filters, evenly spaced in mel from 0 Hz to half the rate: (26, 257)."""
    mel = np.linspace(0, 2595 * np.log10(1 + rate / 2 / 700), FILTERS + 2)
    hertz = 700 * (10 ** (mel / 2595) - 1)
    bins = np.floor((FFT + 1) * hertz / rate)
    low, centre, high = bins[:-2, None], bins[1:-1, None], bins[2:, None]
    position = np.arange(FFT // 2 + 1)[None]
    with np.errstate(divide="ignore", invalid="ignore"):
        rising = (position - low) / (centre - low)
        falling = (high - position) / (high - centre)
    filters = np.where((position >= low) & (position < centre), rising, 0.0)
    return np.where((position >= centre) & (position < high), falling, filters)


def _pre_emphasise(samples: np.ndarray) -> np.ndarray:
    signal = np.asarray(samples, dtype=np.float64)
    return np.append(signal[:1], signal[1:] - PRE_EMPHASIS * signal[:-1])


def _frames(signal: np.ndarray, rate: int) -> np.ndarray:
    window, step = int(WINDOW_SECONDS * rate + 0.5), int(STEP_SECONDS * rate + 0.5)
    count = 1 + max(0, int(np.ceil((len(signal) - window) / step)))
    padded = np.zeros((count - 1) * step + window)
    padded[: len(signal)] = signal[: len(padded)]
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::step]
