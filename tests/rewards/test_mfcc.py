import math

import numpy as np
import pytest
import python_speech_features

from likeness.rewards.mfcc import mel_filters, mfcc

RATE = 16_000


def naive_mfcc(signal: np.ndarray) -> np.ndarray:
    """The definition, one number at a time."""
    emphasised = [signal[0]] + [signal[i] - 0.97 * signal[i - 1] for i in range(1, len(signal))]
    count = 1 + max(0, math.ceil((len(signal) - 400) / 160))
    rows = []
    for f in range(count):
        frame = [emphasised[i] if i < len(signal) else 0.0 for i in range(f * 160, f * 160 + 400)]
        power = [naive_power(frame, k) for k in range(257)]
        logs = [
            math.log(
                sum(p * w for p, w in zip(power, naive_filter(m), strict=True))
                or 2.220446049250313e-16
            )
            for m in range(26)
        ]
        row = []
        for c in range(13):
            scale = math.sqrt(1 / 26) if c == 0 else math.sqrt(2 / 26)
            value = scale * sum(
                v * math.cos(math.pi * c * (2 * n + 1) / 52) for n, v in enumerate(logs)
            )
            row.append(value * (1 + 11 * math.sin(math.pi * c / 22)))
        row[0] = math.log(sum(power) or 2.220446049250313e-16)
        rows.append(row)
    return np.array(rows)


def naive_power(frame: list[float], k: int) -> float:
    angles = [2 * math.pi * k * i / 512 for i in range(400)]
    real = sum(x * math.cos(a) for x, a in zip(frame, angles, strict=True))
    imaginary = sum(x * math.sin(a) for x, a in zip(frame, angles, strict=True))
    return (real**2 + imaginary**2) / 512


def naive_filter(m: int) -> list[float]:
    top = 2595 * math.log10(1 + 8000 / 700)
    bins = [math.floor(513 * 700 * (10 ** (top * j / 27 / 2595) - 1) / RATE) for j in range(28)]
    weights = [0.0] * 257
    for i in range(bins[m], bins[m + 1]):
        weights[i] = (i - bins[m]) / (bins[m + 1] - bins[m])
    for i in range(bins[m + 1], bins[m + 2]):
        weights[i] = (bins[m + 2] - i) / (bins[m + 2] - bins[m + 1])
    return weights


def test_equals_the_definition_number_by_number() -> None:
    signal = np.random.default_rng(0).normal(0, 3000, 700)
    np.testing.assert_allclose(mfcc(signal), naive_mfcc(signal), rtol=1e-7, atol=1e-7)


def test_filters_equal_the_definition() -> None:
    expected = np.array([naive_filter(m) for m in range(26)])
    np.testing.assert_allclose(mel_filters(RATE), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (400, 1), (401, 2), (560, 2), (16_000, 99)]
)
def test_number_of_frames(samples: int, frames: int) -> None:
    assert mfcc(np.ones(samples)).shape == (frames, 13)


def test_silence_is_finite() -> None:
    assert np.isfinite(mfcc(np.zeros(1600))).all()


def test_coefficient_0_is_the_log_energy_so_the_scale_counts() -> None:
    signal = np.random.default_rng(1).normal(0, 1, 1600)
    louder, softer = mfcc(10 * signal), mfcc(signal)
    np.testing.assert_allclose(louder[:, 0] - softer[:, 0], 2 * math.log(10), rtol=1e-9)
    np.testing.assert_allclose(louder[:, 1:], softer[:, 1:], atol=1e-9)


def test_equals_python_speech_features() -> None:
    rng = np.random.default_rng(2)
    sweep = 8000 * np.sin(np.cumsum(np.linspace(0.05, 2.5, 24_321))) + rng.normal(0, 300, 24_321)
    for signal in (sweep, rng.normal(0, 3000, 8000), np.round(sweep[:1111])):
        theirs = python_speech_features.mfcc(signal, RATE)
        np.testing.assert_allclose(mfcc(signal)[: len(theirs)], theirs, atol=1e-4)
        assert len(mfcc(signal)) == len(theirs)
