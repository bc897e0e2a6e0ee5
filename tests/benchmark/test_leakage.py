import math

import numpy as np
import pytest

from likeness.benchmark.leakage import leak_score, scene_share

RNG = np.random.default_rng(3)
OWN, OTHER = RNG.integers(0, 256, (2, 16, 16, 3), np.uint8)
WHERE = np.zeros((16, 16), bool)
WHERE[:, :6] = True


def mixed(share: float, frames: int = 3) -> np.ndarray:
    picture = share * OTHER.astype(float) + (1 - share) * OWN.astype(float)
    return np.repeat(np.rint(picture).astype(np.uint8)[None], frames, 0)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_share_of_a_mixture_is_found(share):
    assert scene_share(mixed(share), OWN, OTHER, WHERE) == pytest.approx(share, abs=2e-3)


def test_what_the_person_covers_does_not_count():
    frames = mixed(0.0)
    frames[:, ~WHERE] = OTHER[~WHERE]
    assert scene_share(frames, OWN, OTHER, WHERE) == pytest.approx(0.0, abs=1e-12)


def test_the_share_equals_a_regression():
    frames = RNG.integers(0, 256, (4, 16, 16, 3), np.uint8)
    columns = (OTHER[WHERE].astype(float) - OWN[WHERE]).reshape(-1, 1)
    wanted = (frames.astype(float).mean(0) - OWN)[WHERE].ravel()
    share = np.linalg.lstsq(columns, wanted, rcond=None)[0][0]
    assert scene_share(frames, OWN, OTHER, WHERE) == pytest.approx(share)


def test_scenes_that_look_alike_or_are_hidden_tell_nothing():
    assert math.isnan(scene_share(mixed(0.5), OWN, OWN, WHERE))
    assert math.isnan(scene_share(mixed(0.5), OWN, OTHER, np.zeros_like(WHERE)))
    score = leak_score(math.nan, "clip")
    assert score.reason and math.isnan(score.value)
    assert leak_score(0.25, "clip").value == 0.25
