import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likeness.store import ClipError


def test_duration_and_size(make_clip):
    clip = make_clip(frames=10)
    assert (len(clip), clip.duration, clip.size) == (10, 0.4, (48, 32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": np.zeros((2, 4, 4, 3), np.float32)}, "clip.frames must be"),
        ({"frames": np.zeros((0, 4, 4, 3), np.uint8)}, "at least one pixel"),
        ({"fps": 0.0}, "clip.fps must be positive, got 0.0"),
        ({"fps": float("nan")}, "clip.fps"),
        ({"audio": np.zeros(3)}, "clip.audio must be"),
        ({"audio": np.array([np.nan], np.float32)}, "finite"),
        ({"audio": np.array([1.5], np.float32)}, "peak of 1.5"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"origin": "dreamt"}, "recorded, testbed, generated"),
    ],
)
def test_refuses_what_is_no_clip(make_clip, settings, message):
    with pytest.raises(ClipError, match=message):
        make_clip(**settings)


def test_hash_sees_pictures_sound_and_rates_only(make_clip):
    clip = make_clip()
    louder = clip.audio.copy()
    louder[5] = 0.123
    assert clip.hash == make_clip(identity="p1", origin="generated").hash
    assert len({clip.hash, make_clip(fps=24.0).hash, make_clip(audio=louder).hash}) == 3


@given(start=st.integers(0, 9), frames=st.integers(1, 10))
def test_window_takes_the_same_time_of_both(start, frames):
    from likeness.store import Clip

    pictures = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    sound = (np.arange(6400) / 6400).astype(np.float32)
    clip = Clip(frames=pictures, fps=25.0, audio=sound, sample_rate=16000, identity="p1")
    if start + frames > 10:
        with pytest.raises(ClipError, match="lies outside"):
            clip.window(start, frames)
        return
    window = clip.window(start, frames)
    assert window.identity == "p1"
    assert (window.frames[:, 0, 0, 0] == np.arange(start, start + frames)).all()
    assert (window.audio == sound[start * 640 : (start + frames) * 640]).all()


def test_window_hash_is_that_of_a_copy(make_clip):
    clip = make_clip()
    window = clip.window(3, 4)
    copy = make_clip(frames=window.frames.copy(), audio=window.audio.copy())
    assert window.hash == copy.hash
