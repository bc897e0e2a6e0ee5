import numpy as np
import pytest

from likeness.testbed import defects
from likeness.testbed.cast import cast, take_of


@pytest.fixture(scope="module")
def pair():
    one, two = cast("spare", 2)
    return take_of(one, 0, 1.0), take_of(two, 1, 1.0)


def difference(a, b):
    return np.abs(a.frames.astype(float) - b.frames).mean()


@pytest.mark.parametrize("name", defects.DEFECTS)
def test_every_defect_changes_the_clip_and_keeps_its_shape(pair, name):
    take, other = pair
    before = take.clip.frames.copy()
    spoilt = defects.DEFECTS[name](take, other, np.random.default_rng(0))
    again = defects.DEFECTS[name](take, other, np.random.default_rng(0))
    assert spoilt.hash == again.hash != take.clip.hash
    assert spoilt.frames.shape == take.clip.frames.shape
    assert spoilt.audio.shape == take.clip.audio.shape
    assert np.array_equal(before, take.clip.frames)


@pytest.mark.parametrize("frames", [-3, 0, 4])
def test_shifted_audio_is_the_same_sound_at_another_time(pair, frames):
    clip = pair[0].clip
    shifted = defects.shift_audio(clip, frames).audio
    step = frames * 640
    if step >= 0:
        assert np.array_equal(shifted[step:], clip.audio[: len(clip.audio) - step])
    else:
        assert np.array_equal(shifted[:step], clip.audio[-step:])
    assert np.array_equal(defects.shift_audio(clip, 99).audio, np.zeros_like(clip.audio))


def test_frozen_frames_are_the_first_of_them(pair):
    frozen = defects.freeze(pair[0].clip, 5, 10).frames
    assert (frozen[5:15] == pair[0].clip.frames[5]).all()
    assert np.array_equal(frozen[15:], pair[0].clip.frames[15:])


def test_a_swapped_face_changes_the_face_and_leaves_the_rest(pair):
    take, other = pair
    swapped = defects.swap_face(take, other)
    change = np.abs(swapped.frames.astype(float) - take.clip.frames).mean((0, 3))
    x, y = np.round(take.truth.five[:, 2].mean(0)).astype(int)
    assert change[y - 5 : y + 5, x - 5 : x + 5].mean() > 5
    assert change[:, :4].max() == 0
    assert swapped.identity == other.clip.identity


def test_blur_and_reencoding_get_worse_with_strength(pair):
    clip = pair[0].clip
    assert difference(defects.blur(clip, 1.0), clip) < difference(defects.blur(clip, 2.0), clip)
    mild, strong = (defects.reencode(clip, crf) for crf in (20, 40))
    assert 0 < difference(mild, clip) < difference(strong, clip)


def test_another_background_leaves_the_face(pair):
    take, other = pair
    moved = defects.replace_background(take, other.background)
    x, y = np.round(take.truth.five[:, 2].mean(0)).astype(int)
    face = np.s_[:, y - 6 : y + 6, x - 6 : x + 6]
    assert np.array_equal(moved.frames[face], take.clip.frames[face])
    assert np.array_equal(moved.frames[0, 30, 0], other.background[30, 0])


def test_what_cannot_be_is_refused(pair):
    take, other = pair
    with pytest.raises(defects.DefectError, match="crf"):
        defects.reencode(take.clip, 60)
    with pytest.raises(defects.DefectError, match="swap_face"):
        defects.swap_face(take, take_of(cast("spare", 1)[0], 0, 0.4))
    with pytest.raises(defects.DefectError, match="background"):
        defects.replace_background(take, other.background[:32])
