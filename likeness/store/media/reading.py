from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from likeness.store.clip import Clip
from likeness.store.media.pictures import Ticks, expected_frames, origin_time, pictures
from likeness.store.media.probing import (
    MediaError,
    audio_stream,
    frame_rate,
    opened,
    origin_of,
    video_stream,
)
from likeness.store.media.sound import sound

MOST_BYTES = 8 * 2**30


def iter_frames(
    path: str | Path, *, fps: float | None = 25.0, start: float = 0.0
) -> Iterator[np.ndarray]:
    """Yield a film's pictures one by one, resampled by time to `fps` (None: the film's mean rate).

    Args:
        path: the media file.
        fps: pictures a second.
        start: seconds into the film; reached by seeking.

    Yields:
        (H, W, 3) uint8 RGB, upright, all of one size. A still moment yields one array repeatedly.

    Raises:
        MediaError: the file is missing, truncated, damaged or has no picture.

    """
    path = Path(path)
    with opened(path) as container:
        rate = fps or frame_rate(video_stream(container, path), path)
        yield from pictures(container, path, Ticks(fps=rate, start=start))


def decode(
    path: str | Path,
    *,
    fps: float | None = 25.0,
    sample_rate: int = 16000,
    need_audio: bool = True,
    start: float = 0.0,
    frames: int | None = None,
) -> Clip:
    """Read a clip, or a window of a long film, resampled by time.

    Args:
        path: the media file.
        fps: frames a second of the clip; None keeps the film's mean rate.
        sample_rate: audio samples a second of the clip.
        need_audio: refuse a file without sound; otherwise such a clip has empty audio.
        start: seconds into the film; reached by seeking.
        frames: how many frames to read; None reads to the end.

    Returns:
        A clip whose audio is empty or lasts exactly as long as its picture: it is cut there, or
        goes on silent. Its origin is what the file's tag says.

    Raises:
        MediaError: the file is missing, truncated, damaged, shorter than asked for, too big for
            memory, or has no picture, or no sound where it is needed.

    """
    path = Path(path)
    with opened(path) as container:
        stream = video_stream(container, path)
        rate = fps or frame_rate(stream, path)
        origin = origin_of(container)
        if need_audio:
            audio_stream(container, path)
        has_audio = bool(container.streams.audio)
        seen = pictures(container, path, Ticks(fps=rate, start=start))
        expected = frames or expected_frames(path, rate) - int(start * rate)
        picture = _stacked(islice(seen, frames), path, expected)
    if frames is not None and len(picture) < frames:
        raise MediaError(
            f"{path}: only {len(picture)} of {frames} frames from {start:.2f} s on; "
            "give a longer clip"
        )
    audio = np.zeros(0, np.float32)
    if has_audio:
        audio = soundtrack(path, len(picture) / rate, sample_rate=sample_rate, start=start)
    return Clip(frames=picture, fps=rate, audio=audio, sample_rate=sample_rate, origin=origin)


def soundtrack(
    path: str | Path, seconds: float, *, sample_rate: int = 16000, start: float = 0.0
) -> np.ndarray:
    """Read the sound that goes with a film's picture from ``start`` on.

    Returns:
        (samples,) float32 in [-1, 1], channels averaged, exactly as long as asked: it is cut
        there, or goes on silent.

    Raises:
        MediaError: the file is missing, truncated, damaged, or has no picture or no sound.

    """
    path = Path(path)
    with opened(path) as container:
        begin = origin_time(video_stream(container, path)) + start
        heard = sound(container, path, sample_rate, begin, seconds)
    return np.pad(heard, (0, round(seconds * sample_rate) - len(heard)))


def decode_audio(path: str | Path, sample_rate: int = 16000) -> np.ndarray:
    """Read the sound of any audio or video file.

    Returns:
        (samples,) float32 in [-1, 1], channels averaged, from the first sample on.

    Raises:
        MediaError: the file is missing, truncated, damaged or has no sound.

    """
    path = Path(path)
    with opened(path) as container:
        stream = audio_stream(container, path)
        begin = float((stream.start_time or 0) * (stream.time_base or 0))
        return sound(container, path, sample_rate, begin, None)


def _stacked(frames: Iterator[np.ndarray], path: Path, expected: int) -> np.ndarray:
    """Stack pictures as they come, without holding them twice. Returns (T, H, W, 3) uint8."""
    first = next(frames)
    most = max(1, MOST_BYTES // first.nbytes)
    stack = np.empty((min(max(1, expected), most), *first.shape), np.uint8)
    stack[0] = first
    count = 1
    for frame in frames:
        if count == most:
            raise MediaError(
                f"{path}: more than {most} frames of {first.shape[1]}x{first.shape[0]} don't "
                "fit in memory; cut the film into shorter clips"
            )
        if count == len(stack):  # the file told of fewer
            room = np.empty((min(count // 2 + 1, most - count), *first.shape), np.uint8)
            stack = np.concatenate([stack, room])
        stack[count] = frame
        count += 1
    return stack[:count]
