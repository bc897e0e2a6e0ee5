import math

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from likeness.benchmark.curation.scenes import background_psnr, head_region
from likeness.benchmark.leakage import correlation, same_speech
from likeness.rewards.sets import RewardSet
from likeness.testbed.cast import cast, take_of

ALL = np.ones((20, 30), bool)


def pictures(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_it_is_the_usual_psnr_where_both_show_all():
    one, other = pictures(0), pictures(1)
    wanted = peak_signal_noise_ratio(one, other, data_range=255)
    assert background_psnr(one, other, ALL, ALL) == pytest.approx(wanted)


def test_only_what_both_show_counts():
    one, other = pictures(0), pictures(0)
    other[:10] = 255 - other[:10]
    mine, theirs = ALL.copy(), ALL.copy()
    mine[:5], theirs[5:10] = False, False
    assert background_psnr(one, other, mine, theirs) == 100.0
    assert background_psnr(one, other, mine, ALL) < 30


def test_a_common_background_that_is_too_small_is_no_number():
    left = ALL.copy()
    left[:, 1:] = False
    assert math.isnan(background_psnr(pictures(0), pictures(1), left, ~left))


def test_pictures_of_other_proportions_are_compared_in_their_middle():
    one = pictures(0)
    wide = np.pad(one, ((0, 0), (4, 4), (0, 0)))
    assert background_psnr(one, wide, ALL, np.ones((20, 38), bool)) == 100.0


def test_head_and_shoulders_cover_the_person():
    rewards = RewardSet.load("testbed")
    shares = []
    for person in cast("tune", 6):
        take = take_of(person, 0, 1.2)
        track = rewards.faces.tracks([take.clip])[0]
        region = head_region(track, (64, 64), (64, 64))
        truth = take.truth.mask.any(0)
        shares.append((region & truth).sum() / truth.sum())
        assert (~region).mean() > 0.1
    assert min(shares) > 0.97


def test_one_recording_is_known_again_and_others_are_not():
    rng = np.random.default_rng(0)
    voice, other = (np.cumsum(rng.normal(size=500)) for _ in range(2))
    louder = 2 * voice + rng.normal(0, 0.1, 500)
    assert same_speech(voice, louder)
    assert same_speech(voice[:400], voice[60:])
    assert not same_speech(voice, other)
    assert correlation(np.zeros(50), voice) == -1
