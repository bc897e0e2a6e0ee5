"""Both sides of a view are shown alike, and the file tells nothing but the picture."""

from dataclasses import replace

import numpy as np
import pytest

from likeness.annotation.media import (
    MARKS,
    ViewError,
    alone,
    compose,
    encode_view,
    mark_of,
    size_of,
    write_view,
)
from likeness.annotation.media.composing import GAP
from likeness.annotation.media.loudness import PEAK, RATE, levelled, loudness
from likeness.store.clip import Clip
from likeness.store.media import decode, probe
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur, shift_audio


@pytest.fixture(scope="module")
def clip() -> Clip:
    return take_of(cast("heldout", 1)[0], 0, 1.0).clip


@pytest.fixture(scope="module")
def worse(clip) -> Clip:
    return replace(blur(clip, 1.5), origin="generated")


def test_sides_are_equal_in_size_and_stand_where_they_should(clip, worse):
    view = compose(clip, worse)
    tall, wide = view.pane
    frame = list(view.frames())[10]
    assert (tall, wide) == (384, 384)
    assert view.size == (2 * wide + GAP, tall + 64) == (frame.shape[1], frame.shape[0])
    left, right = frame[:tall, :wide].astype(float), frame[:tall, wide + GAP :].astype(float)
    assert np.abs(np.diff(left, axis=1)).mean() > 1.2 * np.abs(np.diff(right, axis=1)).mean()
    swapped = list(compose(worse, clip).frames())[10]
    assert (swapped[:tall, wide + GAP :] == frame[:tall, :wide]).all()


def test_another_shape_is_fitted_in_and_faster_and_longer_ones_are_cut(clip):
    tall = np.repeat(np.repeat(clip.frames[:, :, 8:40], 2, axis=1), 2, axis=2)
    other = Clip(
        frames=np.repeat(tall, 2, axis=0)[:40],
        fps=50.0,
        audio=clip.audio,
        sample_rate=clip.sample_rate,
    )
    view = compose(clip, other)
    assert (view.fps, view.count) == (25.0, 20)
    assert len(view.notes) == 2
    assert "50" in view.notes[0]
    assert "0.80" in view.notes[1]
    assert view.pane == (768, 384)
    assert len(view.audio) == round(0.8 * RATE)


def test_the_same_view_is_the_same_file_and_no_name_is_in_it(clip, worse, tmp_path):
    view = compose(clip, worse, mark="cross")
    data = encode_view(view)
    assert data == encode_view(view)
    lower = data.lower()
    for word in (b"x264", b"lavc", b"lavf", b"generated", b"testbed", b"encoder"):
        assert word not in lower
    write_view(view, tmp_path / "a.mp4")
    write_view(alone(clip), tmp_path / "b.mp4")
    assert (tmp_path / "a.mp4").stat().st_mtime == (tmp_path / "b.mp4").stat().st_mtime
    info = probe(tmp_path / "a.mp4")
    assert info.video is not None
    assert info.audio is not None
    assert (info.video.codec, info.audio.codec) == ("h264", "aac")
    played = decode(tmp_path / "a.mp4", fps=None)
    assert len(played) == view.count
    shown = list(view.frames())[5].astype(float)
    assert np.abs(played.frames[5].astype(float) - shown).mean() < 4


def test_size_follows_from_shape_and_length_alone(clip, worse):
    still = replace(clip, frames=np.repeat(clip.frames[:1], len(clip), axis=0))
    noise = np.random.default_rng(0).integers(0, 255, clip.frames.shape, dtype=np.uint8)
    views = [compose(clip, other) for other in (worse, still, replace(clip, frames=noise))]
    assert {len(encode_view(view)) for view in views} == {size_of(views[0])}


def test_the_mark_is_seen_in_the_last_moments_alone(clip, worse):
    plain = list(compose(clip, worse).frames())
    for mark in MARKS:
        marked = list(compose(clip, worse, mark=mark).frames())
        changed = [bool((a != b).any()) for a, b in zip(plain, marked, strict=True)]
        assert changed == [False] * 10 + [True] * 15
    drawn = [list(compose(clip, worse, mark=mark).frames())[-1].tobytes() for mark in MARKS]
    assert len(set(drawn)) == len(MARKS)


def test_marks_are_spread_evenly_over_keys():
    counts = np.unique([mark_of(f"{key:032x}") for key in range(4000)], return_counts=True)[1]
    assert len(counts) == len(MARKS)
    assert counts.min() > 900


def test_sound_that_differs_is_refused_unless_the_driving_audio_is_given(clip, worse):
    late = shift_audio(worse, 6)
    with pytest.raises(ViewError, match="sound different; give the driving audio"):
        compose(clip, late)
    view = compose(clip, late, sound=(clip.audio, clip.sample_rate))
    assert (view.audio == compose(clip, worse).audio).all()
    mute = replace(clip, audio=np.zeros(0, np.float32))
    with pytest.raises(ViewError, match="sound different"):
        compose(clip, mute)
    silent = compose(mute, replace(worse, audio=mute.audio))
    assert silent.notes == ("neither side has sound",)
    assert not silent.audio.any()


def test_sound_does_not_tell_the_sides_apart(clip, worse):
    softer = replace(worse, audio=worse.audio * np.float32(0.3))
    assert (compose(clip, softer).audio == compose(softer, clip).audio).all()


@pytest.mark.parametrize("gain", [0.01, 0.1, 0.6])
def test_every_loudness_becomes_the_same(gain):
    time = np.arange(3 * 16_000) / 16_000
    tone = np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 3 * time) > 0)
    heard = levelled((gain * tone).astype(np.float32), 16_000)
    assert len(heard) == 3 * RATE
    assert loudness(heard, RATE) == pytest.approx(-23, abs=0.1)


def test_peaks_are_kept_below_full_scale_and_silence_stays():
    clicks = np.zeros(48_000, np.float32)
    clicks[::12_000] = 0.9
    assert np.abs(levelled(clicks, 48_000)).max() == pytest.approx(PEAK, abs=1e-6)
    assert not levelled(np.zeros(48_000, np.float32), 48_000).any()


def test_loudness_of_a_sine_is_its_power_and_pauses_do_not_count():
    time = np.arange(48_000) / 48_000
    sine = 0.5 * np.sin(2 * np.pi * 1000 * time)
    assert loudness(sine, 48_000) == pytest.approx(10 * np.log10(0.125), abs=0.01)
    paused = np.concatenate([sine, np.zeros(96_000)])
    ungated = 10 * np.log10(0.125 / 3)
    assert loudness(paused, 48_000) == pytest.approx(10 * np.log10(0.125), abs=1)
    assert ungated < -13
