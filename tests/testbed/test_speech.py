import numpy as np
import pytest
from scipy.signal import find_peaks

from likeness.testbed.speech import SAMPLE_RATE, Voice, synthesise

VOICE = Voice(pitch=140.0, tract=1.0, breath=0.3)


@pytest.fixture(scope="module")
def speech():
    return synthesise(40.0, VOICE, np.random.default_rng(3))


def windows(speech):
    return speech.audio.reshape(len(speech.open), -1)


def spectra(speech):
    power = np.abs(np.fft.rfft(windows(speech) * np.hanning(640))) ** 2
    return np.fft.rfftfreq(640, 1 / SAMPLE_RATE), power


def test_loudness_follows_the_opening(speech):
    loudness = np.sqrt((windows(speech) ** 2).mean(1))
    assert np.corrcoef(loudness, speech.open)[0, 1] > 0.8


def test_hiss_tells_the_teeth_of_fricatives(speech):
    frequency, power = spectra(speech)
    share = power[:, frequency > 4700].sum(1) / (power.sum(1) + 1e-9)
    bared = (speech.teeth > 0.7) & (speech.open < 0.2)
    assert np.median(share[bared]) > 0.3
    assert np.median(share[speech.open > 0.5]) < 0.05


def test_rounding_lowers_the_second_formant(speech):
    frequency, power = spectra(speech)
    band = (frequency > 1000) & (frequency < 3000)
    share = power[:, band].sum(1) / (power[:, frequency < 1000].sum(1) + 1e-9)
    rounded = (speech.round > 0.7) & (speech.open > 0.2)
    spread = (speech.teeth > 0.4) & (speech.open > 0.2) & (speech.round < 0.1)
    assert np.median(share[spread]) > 3 * np.median(share[rounded])


def test_pressed_lips_are_quiet(speech):
    loudness = np.sqrt((windows(speech) ** 2).mean(1))
    assert loudness[speech.closed > 0.8].mean() < 0.2 * loudness[speech.open > 0.6].mean()


def test_syllables_come_often_irregularly_and_without_long_pauses(speech):
    peaks, _ = find_peaks(speech.open, prominence=0.08)
    gaps = np.diff(peaks) / 25
    assert 2.5 < 1 / gaps.mean() < 6
    assert gaps.std() / gaps.mean() > 0.2
    per_second = np.histogram(peaks, np.arange(0, 1001, 25))[0]
    assert per_second.min() >= 2


def test_a_moment_of_25_frames_is_its_own_and_no_other():
    """No other offset within a long speech fits as well: lip sync can be found."""
    speech = synthesise(20.0, VOICE, np.random.default_rng(4))
    loudness = np.sqrt((windows(speech) ** 2).mean(1))
    hits = 0
    for start in range(15, 450, 15):
        here = speech.open[start : start + 25]
        fits = [
            np.corrcoef(here, loudness[start + k : start + k + 25])[0, 1] for k in range(-15, 16)
        ]
        hits += abs(int(np.argmax(fits)) - 15) <= 1
    assert hits >= 28


def test_another_seed_says_something_else():
    one, two = (synthesise(2.0, VOICE, np.random.default_rng(seed)) for seed in (1, 2))
    assert not np.allclose(one.open, two.open, atol=0.2)
    assert one.audio.dtype == np.float32
    assert np.abs(one.audio).max() <= 1.0
