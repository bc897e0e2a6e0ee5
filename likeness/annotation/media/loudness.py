"""One loudness for every view: gated RMS, as EBU R 128 gates it but without its weighting curve."""

import numpy as np

RATE = 48_000
TARGET = -23.0  # dB of full scale
PEAK = 0.89  # of full scale, -1 dB: what aac leaves room for
_BLOCK, _STEP = 0.4, 0.1  # seconds
_SILENCE, _BELOW = -70.0, -10.0  # dB: the absolute gate, and the relative one


def loudness(audio: np.ndarray, rate: int) -> float:
    """Measure how loud speech is, pauses left out, in dB of full scale.

    The mean power of 400 ms blocks that are above -70 dB and within 10 dB of the mean of those
    (the gates of ITU-R BS.1770-5, without its K weighting).

    Args:
        audio: (samples,) float in -1..1.
        rate: samples a second.

    Returns:
        -inf where all is silent.

    """
    size, step = round(_BLOCK * rate), round(_STEP * rate)
    if len(audio) < size:
        audio = np.pad(audio, (0, size - len(audio)))
    power = np.concatenate([[0.0], np.cumsum(np.square(audio, dtype=np.float64))])
    starts = np.arange(0, len(audio) - size + 1, step)
    blocks = (power[starts + size] - power[starts]) / size
    blocks = blocks[blocks > 10 ** (_SILENCE / 10)]
    if not blocks.size:
        return -np.inf
    loud = blocks[blocks >= blocks.mean() * 10 ** (_BELOW / 10)]
    return float(10 * np.log10(loud.mean()))


def levelled(audio: np.ndarray, rate: int) -> np.ndarray:
    """Bring sound to -23 dB, or as near as its peaks allow, at 48 kHz; silence stays silent.

    Args:
        audio: (samples,) float32 in -1..1.
        rate: samples a second.

    Returns:
        (samples,) float32, no peak above 0.89.

    """
    from math import gcd

    from scipy.signal import resample_poly

    shared = gcd(rate, RATE)
    heard = resample_poly(audio.astype(np.float64), RATE // shared, rate // shared)
    level = loudness(heard, RATE)
    if level == -np.inf:
        return np.zeros(len(heard), np.float32)
    gain = 10 ** ((TARGET - level) / 20)
    return (heard * min(gain, PEAK / np.abs(heard).max())).astype(np.float32)
