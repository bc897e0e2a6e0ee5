import subprocess
import sys
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from films import Film as Made
from films import write_film

from likeness.store.film import Film, footage
from likeness.store.media import MediaError, Reel, decode, encode

UNEVEN = (0, 40, 90, 130, 190, 210, 300, 420, 440, 480, 640, 700)
LONG = """
import resource, sys
from likeness.store.film import Film
film = Film.open(sys.argv[1], need_audio=False)
frames = sum(len(piece) for piece in film.pieces())
print(frames, len(film), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def same(film, clip):
    frames = np.concatenate(list(film.pieces(7)))
    assert (frames == clip.frames).all() and len(film) == len(clip)
    assert (film.audio == clip.audio).all()
    assert film.hash == clip.hash
    assert (film.fps, film.sample_rate, film.origin, film.size, film.duration) == (
        (clip.fps, clip.sample_rate, clip.origin, clip.size, clip.duration)
    )


@pytest.mark.parametrize("fps", [25.0, 30.0, 24000 / 1001, 7.0, None])
@pytest.mark.parametrize(
    "made",
    [
        Made(),
        Made(rotation=90, sound=None),
        Made(times=UNEVEN, suffix=".mkv"),
        Made(times=tuple(round(1001 * k / 24) for k in range(20)), rate=8000),
        Made(suffix=".avi", codec="mpeg4", sound="pcm_s16le"),
    ],
    ids=["plain", "turned", "uneven", "film rate", "avi"],
)
def test_is_the_clip_that_is_decoded(tmp_path, made, fps):
    path = write_film(tmp_path / f"film{made.suffix}", made)
    same(
        Film.open(path, fps=fps, need_audio=False, sample_rate=8000),
        decode(path, fps=fps, need_audio=False, sample_rate=8000),
    )


def test_keeps_the_origin(tmp_path, make_clip):
    encode(make_clip(origin="generated"), tmp_path / "made.mp4", lossless=True)
    film = Film.open(tmp_path / "made.mp4", fps=None)
    assert film.origin == "generated"
    assert film.hash == make_clip().hash


def test_pieces_are_as_long_as_asked_and_begin_anew(tmp_path, monkeypatch):
    film = Film.open(write_film(tmp_path / "film.mp4", Made()), fps=None)
    assert [len(piece) for piece in film.pieces(10)] == [10, 10, 5]
    assert [len(piece) for piece in film.pieces()] == [25]
    monkeypatch.setattr("likeness.store.film.MOST_IN_PIECE", 12 * 64 * 48 * 3)
    assert [len(piece) for piece in film.pieces()] == [12, 12, 1]


def test_a_wrong_guess_of_the_length_is_mended(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.mp4", Made())
    clip = decode(path)
    for guess in (1, 3, 400):
        for place in ("film", "media.reading"):
            monkeypatch.setattr(f"likeness.store.{place}.expected_frames", lambda *_, g=guess: g)
        assert Film.open(path).hash == decode(path).hash == clip.hash


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncation_is_told_when_it_is_opened(tmp_path, make_clip, share):
    path = tmp_path / "film.mp4"
    encode(make_clip(frames=25, audio=np.zeros(16000, np.float32)), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MediaError, match="copy") as whole:
        decode(path)
    with pytest.raises(MediaError) as opened:
        Film.open(path)
    assert str(opened.value) == str(whole.value)


def test_sound_may_be_needed(tmp_path):
    path = write_film(tmp_path / "film.mp4", Made(sound=None))
    with pytest.raises(MediaError, match="no audio stream"):
        Film.open(path)
    with pytest.raises(MediaError, match="there is no such file"):
        Film.open(tmp_path / "none.mp4")


def test_a_file_that_changes_is_told(tmp_path):
    path = write_film(tmp_path / "film.mp4", Made())
    film = Film.open(path)
    write_film(path, replace(Made(), times=tuple(range(0, 600, 40))))
    with pytest.raises(MediaError, match="15 frames now, 25 when it was opened"):
        list(film.pieces())


def test_what_is_large_is_a_film(tmp_path, monkeypatch):
    path = write_film(tmp_path / "film.mp4", Made())
    small = footage(path)
    assert not isinstance(small, Film)
    monkeypatch.setattr("likeness.store.film.MOST_HELD", 100_000)
    large = footage(path)
    assert isinstance(large, Film)
    assert large.hash == small.hash


@pytest.mark.slow
@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    block = np.random.default_rng(0).integers(0, 255, (250, 64, 96, 3), np.uint8)
    peaks = []
    for blocks in (1, 60):
        path = tmp_path / f"{blocks}.mp4"
        reel = Reel(
            blocks=chain.from_iterable([[block]] * blocks),
            fps=25.0,
            audio=np.zeros(0, np.float32),
            sample_rate=16000,
            origin="testbed",
        )
        encode(reel, path)
        told = subprocess.run(
            [sys.executable, "-c", LONG, path], capture_output=True, text=True, check=True
        ).stdout
        frames, length, peak = map(int, told.split())
        assert frames == length == 250 * blocks
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 30  # MB; all frames take 276
