"""Bad input: one clear line, and nothing left behind."""

import errno
from pathlib import Path

import numpy as np
import pytest
from films import Film, beeps, write_film, write_wav

from likeness.store.atomic import DiskFullError, WriteError, replacing, write_bytes
from likeness.store.errors import LikenessError
from likeness.store.media import (
    MediaError,
    decode,
    decode_audio,
    encode,
    encode_bytes,
    iter_frames,
    probe,
)


def one_line(error: pytest.ExceptionInfo[BaseException], path: Path) -> str:
    text = str(error.value)
    assert isinstance(error.value, LikenessError)
    assert "\n" not in text
    assert str(path) in text
    return text


@pytest.mark.parametrize("read", [probe, decode, decode_audio, lambda p: next(iter_frames(p))])
@pytest.mark.parametrize("content", [None, b"", b"these are words, not a film" * 100])
def test_what_is_no_film(tmp_path, read, content):
    path = tmp_path / "film.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MediaError) as error:
        read(path)
    one_line(error, path)


def test_a_folder_is_no_film(tmp_path):
    with pytest.raises(MediaError, match="not a file"):
        decode(tmp_path)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.97])
@pytest.mark.parametrize("fast_start", [True, False])
def test_a_truncated_mp4_is_refused(make_clip, tmp_path, share, fast_start):
    path = tmp_path / "cut.mp4"
    if fast_start:
        data = encode_bytes(make_clip(frames=25, audio=beeps(1.0, 16000)))
    else:
        data = write_film(path, Film()).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(MediaError) as error:
        decode(path)
    one_line(error, path)


@pytest.mark.parametrize(
    "film", [Film(suffix=".avi", codec="mpeg4", sound="pcm_s16le"), Film(suffix=".mov")]
)
def test_other_truncated_containers_are_refused(tmp_path, film):
    path = write_film(tmp_path / f"film{film.suffix}", film)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(MediaError) as error:
        decode(path)
    one_line(error, path)


def test_a_truncated_sound_file_is_refused(tmp_path):
    path = tmp_path / "speech.wav"
    write_wav(path, beeps(2.0, 16000), 16000)
    path.write_bytes(path.read_bytes()[:30000])
    with pytest.raises(MediaError, match="truncated"):
        decode_audio(path)


def test_no_video_stream(tmp_path):
    path = tmp_path / "speech.wav"
    write_wav(path, beeps(1.0, 16000), 16000)
    with pytest.raises(MediaError, match="no video stream") as error:
        decode(path)
    one_line(error, path)


def test_no_audio_stream(make_film):
    path = make_film(sound=None)
    for read in (decode, decode_audio):
        with pytest.raises(MediaError, match="no audio stream") as error:
            read(path)
        one_line(error, path)


def test_a_film_shorter_than_asked(make_film):
    with pytest.raises(
        MediaError, match=r"only 5 of 10 frames from 0\.80 s on; give a longer clip"
    ):
        decode(make_film(), start=0.8, frames=10)


def test_a_film_too_big_for_memory(make_film, monkeypatch):
    monkeypatch.setattr("likeness.store.media.reading.MOST_BYTES", 100_000)
    path = make_film()
    with pytest.raises(MediaError, match="cut the film into shorter clips"):
        decode(path)
    assert len(decode(path, frames=5)) == 5


def test_a_sound_rate_that_aac_has_not(make_clip, tmp_path):
    clip = make_clip(audio=np.zeros(700, np.float32), sample_rate=1234)
    with pytest.raises(MediaError, match="can't be encoded"):
        encode(clip, tmp_path / "clip.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
@pytest.mark.parametrize("frames", [14, 15, 16, 20, 60])
def test_disk_full_while_encoding(make_clip, small_disk, frames):
    path = small_disk / "clip.mp4"
    path.write_bytes(b"the earlier one")
    with pytest.raises(DiskFullError, match="free some space") as error:
        encode(make_clip(frames=frames), path, lossless=True)
    one_line(error, path)
    assert [p.name for p in small_disk.iterdir()] == ["clip.mp4"]
    assert path.read_bytes() == b"the earlier one"


@pytest.mark.parametrize("small_disk", ["64k"], indirect=True)
def test_disk_full_while_writing_bytes(small_disk):
    with pytest.raises(DiskFullError):
        write_bytes(small_disk / "new" / "file.bin", bytes(200_000))
    assert list((small_disk / "new").iterdir()) == []


def test_disk_full_without_root(tmp_path):
    with pytest.raises(DiskFullError), replacing(tmp_path / "file") as temporary:
        temporary.write_bytes(b"begun")
        Path("/dev/full").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_disk_full_as_libraries_tell_it(tmp_path):
    """Torch raises while it handles the system's error, safetensors says its number."""
    for error in (
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ):
        with pytest.raises(DiskFullError, match="No space left"), replacing(tmp_path / "file"):
            try:
                raise error
            finally:
                raise RuntimeError("unexpected pos 64 vs 0")
    with pytest.raises(RuntimeError, match="another"), replacing(tmp_path / "file"):
        raise RuntimeError("another (os error 2)")


def test_no_place_to_write(make_clip, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match="choose another place"):
        encode(make_clip(), tmp_path / "file" / "clip.mp4")


def test_a_failed_write_keeps_the_earlier_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("earlier")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
