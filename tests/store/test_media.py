"""Films of many kinds come out as the same clip."""

from itertools import islice

import numpy as np
import pytest
from films import (
    HEIGHT,
    WIDTH,
    beeps,
    level_at,
    picture_at,
    write_indexed,
    write_late,
    write_wav,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.store import Clip
from likeness.store.media import decode, decode_audio, encode, encode_bytes, iter_frames, probe

CODECS = [
    ("libx264", "aac", ".mp4"),
    ("libx265", "aac", ".mp4"),
    ("mpeg4", "aac", ".mp4"),
    ("libvpx-vp9", "libopus", ".webm"),
    ("libx264", "libmp3lame", ".mkv"),
    ("mpeg4", "pcm_s16le", ".avi"),
]


def levels(clip: Clip) -> np.ndarray:
    """Return the grey level of each frame, away from the red corner."""
    return clip.frames[:, HEIGHT // 2 :, WIDTH // 2 :].mean((1, 2, 3))


def onsets(audio: np.ndarray, rate: int) -> np.ndarray:
    """Return when the beeps begin, in seconds."""
    loud = np.flatnonzero(np.abs(audio) > 0.15)
    return loud[np.diff(loud, prepend=-rate) > 0.05 * rate] / rate


@pytest.mark.parametrize(("codec", "sound", "suffix"), CODECS)
def test_codecs(make_film, codec, sound, suffix):
    rate = 48000 if sound == "libopus" else 44100
    clip = decode(make_film(codec=codec, sound=sound, suffix=suffix, rate=rate, layout="stereo"))
    assert clip.frames.shape == (25, HEIGHT, WIDTH, 3)
    assert clip.audio.shape == (16000,)
    assert clip.origin == "recorded"
    np.testing.assert_allclose(levels(clip), [level_at(t) for t in range(0, 1000, 40)], atol=3)
    np.testing.assert_allclose(onsets(clip.audio, 16000), np.arange(10) / 10, atol=0.004)


@pytest.mark.parametrize(
    ("rate", "layout"), [(8000, "mono"), (16000, "stereo"), (22050, "mono"), (48000, "5.1")]
)
def test_sound_of_any_rate_keeps_its_time_and_loudness(make_film, rate, layout):
    clip = decode(make_film(sound="pcm_s16le", suffix=".mkv", rate=rate, layout=layout))
    np.testing.assert_allclose(onsets(clip.audio, 16000), np.arange(10) / 10, atol=0.002)
    np.testing.assert_allclose(clip.audio, beeps(1.0, 16000), atol=0.12)


@pytest.mark.parametrize("fps", [10, 15, 24, 30, 50, 60])
def test_other_rates_keep_their_pace(make_film, fps):
    times = tuple(round(k * 1000 / fps) for k in range(fps))
    clip = decode(make_film(times=times))
    assert abs(len(clip) - 25) <= 1
    shown = (levels(clip) - 20) / 2 * 10
    late = shown - np.arange(len(clip)) * 40
    period = 1000 / fps
    assert late.max() <= min(period, 40) / 2 + 8
    assert late.min() >= -max(period / 2, period - 20) - 8


def test_a_varying_rate_keeps_its_pace(make_film):
    times = (0, 40, 80, 500, 520, 540, 560, 900, 960)
    clip = decode(make_film(times=times))
    expected = [level_at(max(t for t in times if t < 40 * k + 20)) for k in range(len(clip))]
    assert len(clip) == 25
    np.testing.assert_allclose(levels(clip), expected, atol=3)


@settings(max_examples=20, deadline=None)
@given(
    gaps=st.lists(st.integers(5, 300), min_size=2, max_size=20),
    fps=st.sampled_from([5.0, 24.0, 25.0, 30000 / 1001, 50.0]),
)
def test_resampling_shows_what_was_on_screen(tmp_path_factory, gaps, fps):
    times = tuple(np.cumsum([0, *gaps]).tolist())
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    write_indexed(path, times)
    shown = [int(frame[0, 0, 0]) // 10 for frame in iter_frames(path, fps=fps)]
    ahead = 0.5 / max(probe(path).video.fps, fps) - 1e-6
    end = (times[-1] + 40) / 1000  # the file says 25 frames a second, so the last lasts 40 ms
    assert abs(len(shown) - end * fps) < 1 or len(shown) == 1
    assert shown == [
        max(i for i, t in enumerate(times) if t / 1000 <= k / fps + ahead)
        for k in range(len(shown))
    ]


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_rotation_metadata_is_obeyed(make_film, turn):
    path = make_film(rotation=turn)
    frame = decode(path).frames[0]
    upright = np.rot90(picture_at(0), turn // 90)
    assert np.abs(frame.astype(int) - upright).mean() < 2
    assert (probe(path).video.height, probe(path).video.width) == frame.shape[:2]


def test_lossless_gives_the_very_clip_back(make_clip, tmp_path):
    clip = make_clip(origin="generated")
    encode(clip, tmp_path / "clip.mp4", lossless=True)
    again = decode(tmp_path / "clip.mp4", fps=None)
    assert again.hash == clip.hash
    assert again.origin == "generated"


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(1, 6),
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    fps=st.sampled_from([10.0, 24.0, 24000 / 1001, 25.0, 30000 / 1001, 60.0]),
    seed=st.integers(0, 100),
)
def test_lossless_of_any_size_and_rate(tmp_path_factory, frames, height, width, fps, seed):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    clip = Clip(frames=pictures, fps=fps, audio=np.zeros(0, np.float32), sample_rate=16000)
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode(clip, path, lossless=True)
    assert decode(path, fps=None, need_audio=False).hash == clip.hash


@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 200, 30), (30, 30, 200), (255, 255, 255)])
def test_playable_files_keep_colour_and_time(tmp_path, colour):
    frames = np.full((25, 33, 47, 3), colour, np.uint8)
    clip = Clip(frames=frames, fps=25.0, audio=beeps(1.0, 16000), sample_rate=16000)
    encode(clip, tmp_path / "clip.mp4")
    again = decode(tmp_path / "clip.mp4")
    info = probe(tmp_path / "clip.mp4")
    assert (info.video.codec, info.audio.codec) == ("h264", "aac")
    assert again.frames.shape == (25, 34, 48, 3)
    assert np.abs(again.frames.astype(int) - colour).max() <= 2
    np.testing.assert_allclose(onsets(again.audio, 16000), np.arange(10) / 10, atol=0.004)


@pytest.mark.parametrize("lossless", [True, False])
def test_same_clip_same_bytes(make_clip, lossless):
    clip = make_clip()
    assert encode_bytes(clip, lossless=lossless) == encode_bytes(clip, lossless=lossless)


def test_the_index_comes_first_so_that_playing_starts_at_once(make_clip):
    data = encode_bytes(make_clip())
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_window_is_the_same_part_of_the_film(make_film, suffix):
    path = make_film(times=tuple(range(0, 1100, 20)), suffix=suffix, rate=44100)
    film = decode(path)
    window = decode(path, start=0.6, frames=8)
    assert (window.frames == film.frames[15:23]).all()
    np.testing.assert_allclose(window.audio, film.window(15, 8).audio, atol=0.02)


def test_frames_come_one_by_one(make_film):
    frames = list(islice(iter_frames(make_film(), start=0.2), 3))
    assert [f.shape for f in frames] == [(HEIGHT, WIDTH, 3)] * 3
    assert abs(int(frames[0][-1, -1, 0]) - level_at(200)) <= 3


def test_one_frame_is_a_clip(make_clip, tmp_path):
    encode(make_clip(frames=1), tmp_path / "one.mp4")
    assert len(decode(tmp_path / "one.mp4")) == 1


def test_a_silent_film_has_empty_audio_where_none_is_needed(make_film):
    path = make_film(sound=None)
    assert decode(path, need_audio=False).audio.size == 0
    assert probe(path).audio is None


def test_sound_alone(tmp_path):
    path = tmp_path / "speech.wav"
    sound = beeps(1.0, 8000)
    write_wav(path, sound, 8000)
    np.testing.assert_allclose(decode_audio(path, 8000), sound, atol=1e-4)
    assert decode_audio(path).shape == (16000,)
    assert probe(path).video is None


def test_late_sound_stays_late(tmp_path):
    path = tmp_path / "late.mp4"
    write_late(path, delay=0.3)
    np.testing.assert_allclose(
        onsets(decode(path).audio, 16000)[:5], 0.3 + np.arange(5) / 10, atol=0.004
    )


def test_real_films(real_media):
    for path in sorted((real_media / "video").glob("*.mp4")):
        info = probe(path)
        clip = decode(path, start=1.0, frames=10, need_audio=False)
        assert clip.frames.shape == (10, info.video.height, info.video.width, 3)
        assert clip.audio.size in (0, 6400)
