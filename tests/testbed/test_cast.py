import numpy as np
import pytest

from likeness.testbed.cast import SPLITS, CastError, cast, take_of
from likeness.testbed.person import draw_person
from likeness.testbed.render import RenderError
from likeness.testbed.speech import SpeechError

# Pixels and sound that the packaged checkpoint was trained on: mean of red, green, blue; mean of
# the mouth's opening in pixels; RMS of the sound; all of take_of(person, 0, 1.0).
GOLDEN = {
    0: (198.2199, 176.9296, 148.9636, 3.4737, 0.138),
    5003: (146.1667, 136.4156, 122.0921, 1.9706, 0.0891),
}


def summary(seed):
    take = take_of(draw_person(seed), 0, 1.0)
    rms = np.sqrt((take.clip.audio**2).mean())
    return (*take.clip.frames.mean((0, 1, 2)), take.truth.mouth_open.mean(), rms)


def test_the_same_arguments_give_the_same_bytes():
    first, again = (take_of(draw_person(17), 3, 1.0) for _ in range(2))
    assert first.clip.hash == again.clip.hash
    assert np.array_equal(first.truth.landmarks, again.truth.landmarks)


def test_each_take_of_a_person_has_its_own_words_scene_and_motion():
    one, two = (take_of(draw_person(17), index, 1.0) for index in (0, 1))
    assert one.clip.identity == two.clip.identity == "p0017"
    assert one.clip.scene != two.clip.scene
    assert abs(np.corrcoef(one.truth.mouth_open, two.truth.mouth_open)[0, 1]) < 0.8
    assert not np.allclose(one.truth.five[:, 2], two.truth.five[:, 2], atol=0.2)


@pytest.mark.parametrize("seed", GOLDEN)
def test_pixels_are_those_that_the_packaged_weights_learned(seed):
    assert summary(seed) == pytest.approx(GOLDEN[seed], abs=0.02)


def test_splits_share_nobody_and_train_has_200():
    seeds = [seed for split in SPLITS.values() for seed in split]
    assert len(seeds) == len(set(seeds))
    assert len(SPLITS["train"]) >= 200
    assert [p.seed for p in cast("tune", 3)] == list(SPLITS["tune"])[:3]


@pytest.mark.parametrize(("split", "people"), [("nobody", 1), ("tune", 5000), ("tune", -1)])
def test_a_split_that_is_not_there_is_refused(split, people):
    with pytest.raises(CastError, match=split):
        cast(split, people)


def test_a_take_without_length_or_size_is_refused():
    with pytest.raises(SpeechError, match="seconds"):
        take_of(draw_person(0), 0, 0.0)
    with pytest.raises(RenderError, match="16 pixels"):
        take_of(draw_person(0), 0, 0.2, 8)


@pytest.mark.parametrize("size", [48, 65, 128])
def test_any_size_shows_the_same_take(size):
    small, other = take_of(draw_person(5), 0, 0.2), take_of(draw_person(5), 0, 0.2, size)
    assert other.clip.frames.shape == (5, size, size, 3)
    assert other.hidden.shape == (size, size)
    scale = size / 64
    assert np.allclose((other.truth.five + 0.5) / scale, small.truth.five + 0.5, atol=0.6)
    assert np.allclose(other.clip.frames.mean((0, 1, 2)), small.clip.frames.mean((0, 1, 2)), atol=3)
