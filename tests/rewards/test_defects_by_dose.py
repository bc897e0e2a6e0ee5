import numpy as np
import pytest

from likeness.rewards import defects
from likeness.rewards.fit.defects import DEFECTS as OF_FRAMES
from likeness.store.clip import Clip

FIVE = np.array([[24.0, 26], [40, 26], [32, 34], [26, 44], [38, 44]])
T = 10


def a_clip(seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (T, 64, 64, 3), dtype=np.uint8)
    audio = rng.uniform(-0.5, 0.5, T * 640).astype(np.float32)
    return Clip(frames=frames, fps=25.0, audio=audio, sample_rate=16_000)


def order(clip: Clip, spoilt: Clip) -> list[int]:
    """Which of the clip's frames each of the other's is."""
    return [
        next(i for i, frame in enumerate(clip.frames) if (frame == f).all()) for f in spoilt.frames
    ]


def test_time_is_frozen_looped_and_turned_by_the_dose() -> None:
    clip = a_clip()
    assert order(clip, defects.frozen(clip, 0.5)) == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4]
    assert order(clip, defects.frozen(clip, 1.0)) == [0] * T
    assert order(clip, defects.looped(clip, 1.0)) == [0, 1] * 5
    assert order(clip, defects.backwards(clip, 0.3)) == [0, 1, 2, 3, 4, 5, 6, 9, 8, 7]
    assert order(clip, defects.backwards(clip, 1.0)) == list(range(T))[::-1]


def test_a_dose_of_none_changes_nothing() -> None:
    clip, other = a_clip(), a_clip(1)
    five = np.tile(FIVE, (T, 1, 1))
    for spoilt in (
        defects.frozen(clip, 0),
        defects.looped(clip, 0),
        defects.backwards(clip, 0),
        defects.other_sound(clip, other, 0),
        defects.other_face(clip, five, other, five, 0),
        defects.other_background(clip, np.zeros((T, 64, 64), bool), other.frames[0], 0),
    ):
        assert spoilt.hash == clip.hash
    assert defects.other_words("a man, a wall", "a cat, a tree", 0) == "a man, a wall"


def test_sound_and_words_are_replaced_from_the_end() -> None:
    clip, other = a_clip(), a_clip(1)
    half = defects.other_sound(clip, other, 0.5)
    assert (half.audio[: T * 320] == clip.audio[: T * 320]).all()
    assert (half.audio[T * 320 :] == other.audio[T * 320 :]).all()
    short = Clip(frames=other.frames, fps=25.0, audio=other.audio[:100], sample_rate=16_000)
    assert len(defects.other_sound(clip, short, 1).audio) == len(clip.audio)
    assert defects.other_words("a man, a wall", "a cat, a tree", 0.5) == "a man, a tree"
    assert defects.other_words("a man, a wall", "a cat, a tree", 1) == "a cat, a tree"


def test_the_other_face_lies_where_the_face_is_and_nowhere_else() -> None:
    clip = a_clip()
    white = Clip(
        frames=np.full((3, 64, 64, 3), 255, np.uint8),
        fps=25.0,
        audio=clip.audio,
        sample_rate=16_000,
    )
    five = np.tile(FIVE, (T, 1, 1))
    five[4] = np.nan
    swapped = defects.other_face(clip, five, white, np.tile(FIVE, (3, 1, 1)), 1.0)
    assert (swapped.frames[0, 30:40, 28:36] == 255).all()
    assert (swapped.frames[:, :4] == clip.frames[:, :4]).all()
    assert (swapped.frames[4] == clip.frames[4]).all()
    half = defects.other_face(clip, five, white, np.tile(FIVE, (3, 1, 1)), 0.5)
    expected = np.round(clip.frames[0, 34, 32] + 0.5 * (255.0 - clip.frames[0, 34, 32]))
    np.testing.assert_allclose(half.frames[0, 34, 32], expected, atol=1)


def test_the_mouth_alone_is_smoothed() -> None:
    clip = a_clip()
    soft = defects.smooth_mouth(clip, np.tile(FIVE, (T, 1, 1)), 1.0)
    mouth = np.s_[:, 42:46, 29:35]
    assert soft.frames[mouth].std() < 0.5 * clip.frames[mouth].std()
    assert (soft.frames[:, :30] == clip.frames[:, :30]).all()


def test_the_background_alone_is_replaced() -> None:
    clip, plate = a_clip(), np.full((64, 64, 3), 7, np.uint8)
    mask = np.zeros((T, 64, 64), bool)
    mask[:, 20:, 20:44] = True
    swapped = defects.other_background(clip, mask, plate, 1.0)
    assert (swapped.frames[:, :10] == 7).all()
    assert (swapped.frames[:, 30:, 28:36] == clip.frames[:, 30:, 28:36]).all()


def test_colour_turns_the_hue_and_keeps_greys() -> None:
    frames = np.full((1, 8, 8, 3), 90, np.uint8)
    frames[:, :4] = [200, 40, 40]
    clip = Clip(frames=frames, fps=25.0, audio=np.zeros(0, np.float32), sample_rate=16_000)
    turned = defects.colour(clip, 1.0).frames[0]
    assert (turned[6, 0] == 90).all()
    assert turned[0, 0].min() < 50 and turned[0, 0, :2].min() > 190  # red turns yellow
    np.testing.assert_allclose(defects.colour(clip, 0.0).frames, frames, atol=2)


@pytest.mark.parametrize("name", sorted(OF_FRAMES))
def test_frames_are_spoilt_more_by_more(name: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8)[None, :, None], (64, 1, 3))
    clip = Clip(
        frames=np.stack([np.roll(ramp, 9 * t, 1) for t in range(3)]),
        fps=25.0,
        audio=np.zeros(0, np.float32),
        sample_rate=16_000,
    )
    moved = [
        np.abs(
            defects.of_frames(clip, name, dose, np.random.default_rng(0)).frames.astype(int)
            - clip.frames
        ).mean()
        for dose in (0.2, 0.6, 1.0)
    ]
    assert moved == sorted(moved) and moved[-1] > moved[0]


def test_jitter_shifts_by_the_dose() -> None:
    clip = a_clip()
    still = defects.jittered(clip, 1e-9, np.random.default_rng(0))
    assert (still.frames == clip.frames).all()
    same = defects.jittered(clip, 1.0, np.random.default_rng(0))
    assert same.hash == defects.jittered(clip, 1.0, np.random.default_rng(0)).hash != clip.hash
