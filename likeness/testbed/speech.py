"""Synthetic speech whose mouth shapes are known frame by frame.

A plan of syllables is drawn first; the sound (a harmonic source through
formants, and noise for fricatives: Klatt, "Software for a cascade/parallel
formant synthesizer", 1980, much simplified) and the mouth both follow it, so
the loudness tells the opening, the second formant the rounding, and the hiss
the teeth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, rfft

from likeness.store.errors import LikenessError
from likeness.testbed.shapes import Array

FPS = 25
SAMPLE_RATE = 16_000
CONTROL_RATE = 200
_SAMPLES = SAMPLE_RATE // CONTROL_RATE


class SpeechError(LikenessError):
    """Speech of no length."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A person's voice: pitch in Hz, vocal tract scale (1 = average), breath in [0, 1]."""

    pitch: float
    tract: float
    breath: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Speech:
    """Sound and the mouth that makes it.

    audio: (frames * 640,) float32 in [-1, 1] at 16 kHz. open, round, closed,
    teeth, stress: (frames,) in [0, 1] at 25 fps, taken at the middle of each
    frame. Silence is closed lips at rest; closed = 1 is lips pressed together.
    """

    audio: Array
    open: Array
    round: Array
    closed: Array
    teeth: Array
    stress: Array


# Columns: open, round, closed, teeth; F1, F2, F3 in Hz; voicing; hiss; hiss centre in Hz.
_PHONES: dict[str, tuple[float, ...]] = {
    "a": (1.00, 0.00, 0.0, 0.10, 820, 1250, 2600, 1.00, 0.00, 4000),
    "e": (0.55, 0.00, 0.0, 0.45, 520, 1900, 2600, 0.58, 0.00, 4000),
    "i": (0.26, 0.00, 0.0, 0.95, 300, 2350, 3000, 0.32, 0.00, 4000),
    "o": (0.62, 0.85, 0.0, 0.00, 500, 880, 2450, 0.64, 0.00, 4000),
    "u": (0.28, 1.00, 0.0, 0.00, 320, 680, 2250, 0.32, 0.00, 4000),
    "m": (0.00, 0.00, 1.0, 0.00, 250, 1100, 2200, 0.11, 0.00, 4000),
    "b": (0.00, 0.00, 1.0, 0.00, 250, 900, 2200, 0.02, 0.00, 4000),
    "s": (0.14, 0.00, 0.0, 1.00, 320, 1700, 2600, 0.02, 0.13, 6200),
    "sh": (0.20, 0.75, 0.0, 0.60, 320, 1600, 2400, 0.02, 0.15, 3300),
    "l": (0.32, 0.00, 0.0, 0.20, 380, 1450, 2600, 0.30, 0.00, 4000),
    "rest": (0.00, 0.00, 0.25, 0.00, 500, 1400, 2500, 0.00, 0.00, 4000),
}
_VOWELS = (("a", "e", "i", "o", "u"), (0.30, 0.18, 0.18, 0.20, 0.14))
_ONSETS = (("m", "b", "s", "sh", "l"), (0.24, 0.26, 0.20, 0.12, 0.18))
_BANDWIDTHS = np.array([90.0, 120.0, 180.0])
_STRENGTHS = np.array([1.0, 0.7, 0.4])


def synthesise(seconds: float, voice: Voice, rng: np.random.Generator) -> Speech:
    """Return speech of a number of seconds, rounded to whole frames.

    Syllables come at 3 to 6 a second, irregularly, with pauses under 0.25 s.
    Raises SpeechError where that is less than a frame.
    """
    frames = round(seconds * FPS)
    if frames < 1:
        raise SpeechError(f"testbed: speech needs at least {1 / FPS} seconds, got {seconds}")
    steps = frames * CONTROL_RATE // FPS
    targets, stress = _plan(steps, rng)
    slow = _smooth(targets, 9)
    fast = _smooth(targets, 5)
    pitch = _intonation(steps, voice, stress, rng)
    sound = _voiced(slow[:, 4:7] * voice.tract, fast[:, 7], pitch)
    sound += _hiss(fast[:, 8] + 0.05 * voice.breath * fast[:, 7], slow[:, 9], rng)
    sound += rng.standard_normal(sound.shape) * 0.0008
    at = (np.arange(frames) * CONTROL_RATE + CONTROL_RATE // 2) // FPS
    mouth = np.clip(slow[at], 0.0, None).astype(np.float32)
    return Speech(
        audio=np.clip(sound * 0.3, -1.0, 1.0).astype(np.float32),
        open=mouth[:, 0],
        round=mouth[:, 1],
        closed=mouth[:, 2],
        teeth=mouth[:, 3],
        stress=_smooth(stress[:, None], 31)[at, 0].astype(np.float32),
    )


def _plan(steps: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each 5 ms aims at: phone columns (steps, 10) and stress (steps,)."""
    targets = np.tile(np.array(_PHONES["rest"]), (steps, 1))
    stress = np.zeros(steps)
    at = -int(rng.integers(0, 60))
    until_pause = int(rng.integers(2, 8))
    while at < steps:
        emphasis = rng.uniform(0.68, 1.0)
        for phone, length in _syllable(rng):
            row = np.array(_PHONES[phone])
            row[[0, 7]] *= emphasis
            start, at = at, at + length
            targets[max(start, 0) : max(at, 0)] = row
            stress[max(start, 0) : max(at, 0)] = (emphasis - 0.68) / 0.32
        until_pause -= 1
        if until_pause <= 0:
            at += int(rng.integers(14, 46))
            until_pause = int(rng.integers(3, 8))
    return targets, stress


def _syllable(rng: np.random.Generator) -> list[tuple[str, int]]:
    """Return the phones of one syllable with their lengths in 5 ms steps."""
    phones = [(str(rng.choice(_VOWELS[0], p=_VOWELS[1])), int(rng.integers(17, 38)))]
    if rng.random() < 0.88:
        phones.insert(0, (str(rng.choice(_ONSETS[0], p=_ONSETS[1])), int(rng.integers(13, 20))))
    if rng.random() < 0.15:
        phones.append((str(rng.choice(_ONSETS[0], p=_ONSETS[1])), int(rng.integers(12, 17))))
    return phones


def _smooth(track: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return a track (steps, columns) convolved with a Hann window of odd width."""
    window = np.hanning(width + 2)[1:-1]
    padded = np.pad(track, ((width // 2, width // 2), (0, 0)), mode="edge")
    shifted = np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)
    return shifted @ (window / window.sum())


def _intonation(
    steps: int, voice: Voice, stress: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return the pitch in Hz at each step, (steps,)."""
    time = np.arange(steps) / CONTROL_RATE
    rate, phase = rng.uniform(0.4, 1.1), rng.uniform(0, 2 * np.pi)
    melody = 0.09 * np.sin(2 * np.pi * rate * time + phase)
    lift = 0.12 * _smooth(stress[:, None], 31)[:, 0]
    return voice.pitch * (1 + melody + lift)


def _voiced(
    formants: NDArray[np.float64], level: NDArray[np.float64], pitch: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of harmonics up to 4.5 kHz whose RMS is the level, (samples,)."""
    count = max(int(4500 / pitch.max()), 1)
    order = np.arange(1, count + 1)
    distance = (pitch[:, None, None] * order[:, None] - formants[:, None, :]) / _BANDWIDTHS
    gains = ((1 / (1 + distance**2)) @ _STRENGTHS + 0.01) / order**0.5
    gains *= (level / np.sqrt((gains**2).sum(1) / 2))[:, None]
    base = np.exp(2j * np.pi * np.cumsum(_upsample(pitch)) / SAMPLE_RATE).astype(np.complex64)
    turn, sound = base.copy(), np.zeros(len(base))
    for harmonic in range(count):
        sound += _upsample(gains[:, harmonic]) * turn.imag
        turn *= base
    return sound


def _upsample(track: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a control track (steps,) as samples, linear between the steps' middles."""
    half = np.arange(_SAMPLES) / _SAMPLES
    following = np.append(track[1:], track[-1])
    line = track[:, None] + (following - track)[:, None] * half
    return np.roll(line.ravel(), _SAMPLES // 2) if len(track) > 1 else line.ravel()


def _hiss(
    level: NDArray[np.float64], centre: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return noise of a level, its band crossfaded between 3.3 and 6.2 kHz, (samples,)."""
    noise = rng.standard_normal(len(level) * _SAMPLES)
    spectrum = rfft(noise)
    frequency = np.linspace(0, SAMPLE_RATE / 2, len(spectrum))
    share = _upsample(np.clip((centre - 3300) / (6200 - 3300), 0.0, 1.0))
    sound = np.zeros(len(noise))
    for middle, weight in ((3300.0, 1 - share), (6200.0, share)):
        band = np.asarray(
            irfft(spectrum * np.exp(-(((frequency - middle) / 900) ** 2)), len(noise))
        )
        sound += weight * band / (band.std() + 1e-9)
    return sound * _upsample(level)
