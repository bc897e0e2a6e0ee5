from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from likeness.store.clip import ORIGINS, Origin
from likeness.store.errors import LikenessError

ORIGIN_TAG = "likeness_origin"
_STEADY = 1.05  # guessed over mean rate, up to which a film counts as steady


class MediaError(LikenessError):
    """A media file that can't be read or written."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a file says of its picture.

    Attributes:
        width: in pixels, as shown (after rotation).
        height: likewise.
        fps: frames a second, the mean where the rate varies.
        codec: its short name.

    """

    width: int
    height: int
    fps: float
    codec: str


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a file says of its sound: samples a second, number of channels, codec."""

    sample_rate: int
    channels: int
    codec: str


@dataclass(frozen=True, kw_only=True)
class MediaInfo:
    """What a file holds.

    Attributes:
        duration: seconds; NaN where the file doesn't tell.
        video: the picture, None where there is none.
        audio: the sound, None where there is none.
        origin: what made the frames, as far as the file tells; else `recorded`.

    """

    duration: float
    video: VideoInfo | None
    audio: AudioInfo | None
    origin: Origin


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a media file, and tell of every failure to read it as a `MediaError`."""
    if not path.exists():
        raise MediaError(f"{path}: there is no such file")
    if not path.is_file():
        raise MediaError(f"{path}: not a file")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield container
    except FFmpegError as error:
        raise MediaError(
            f"{path}: damaged, truncated or not a media file ({error.strerror}); "
            "copy or export it again"
        ) from error


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first moving picture of a file; cover art doesn't count.

    Raises:
        MediaError: there is none.

    """
    stream = _moving_picture(container)
    if stream is None:
        raise MediaError(f"{path}: no video stream; give a file with a picture")
    stream.thread_type = "AUTO"
    return stream


def audio_stream(container: InputContainer, path: Path) -> AudioStream:
    """Return the first sound track of a file.

    Raises:
        MediaError: there is none.

    """
    if not container.streams.audio:
        raise MediaError(f"{path}: no audio stream; give a file with sound")
    return container.streams.audio[0]


def _moving_picture(container: InputContainer) -> VideoStream | None:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    return None


def frame_rate(stream: VideoStream, path: Path) -> float:
    """Return the stream's frames a second, the mean where the rate varies.

    Raises:
        MediaError: the file doesn't tell.

    """
    mean, guess = stream.average_rate, stream.guessed_rate
    if not mean and not guess:
        raise MediaError(f"{path}: the file doesn't say its frame rate; encode it again")
    # The mean counts a last frame's wrong length, or a time base of milliseconds; the guess, where
    # it isn't far above, is the steady rate. Far above, it is the shortest gap of a varying rate.
    if guess and (not mean or guess <= mean * _STEADY):
        return float(guess)
    return float(mean or guess or 0)


def origin_of(container: InputContainer) -> Origin:
    """Return the origin tag that `encode` wrote; a file without one was recorded."""
    tag = container.metadata.get(ORIGIN_TAG)
    for origin in ORIGINS:
        if origin == tag:
            return origin
    return "recorded"


def display_matrix(frame: VideoFrame) -> np.ndarray:
    """Return the 2 x 2 matrix (integers in -1..1) that turns stored into shown coordinates.

    Row vectors, x right and y down: (x', y') = (x, y) @ matrix. Turns by other angles than
    multiples of 90 degrees are rounded to them.
    """
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return np.eye(2, dtype=int)
    turn = np.frombuffer(bytes(data), dtype=np.int32).reshape(3, 3)[:2, :2] / 65536
    return np.rint(turn / max(np.abs(turn).max(), 1e-6)).astype(int)


def shown_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Return a frame's width and height in square pixels, before rotation."""
    ratio = stream.sample_aspect_ratio or 1
    return max(1, round(frame.width * ratio)), frame.height


def probe(path: str | Path) -> MediaInfo:
    """Look what a media file holds, decoding one frame at most.

    Raises:
        MediaError: the file is missing, damaged or no media file.

    """
    path = Path(path)
    with opened(path) as container:
        duration = float("nan") if container.duration is None else container.duration / av.time_base
        return MediaInfo(
            duration=duration,
            video=_probe_video(container, path),
            audio=_probe_audio(container),
            origin=origin_of(container),
        )


def _probe_video(container: InputContainer, path: Path) -> VideoInfo | None:
    stream = _moving_picture(container)
    if stream is None:
        return None
    frame = next(container.decode(stream), None)
    if frame is None:
        raise MediaError(f"{path}: truncated, the video stream holds no frame; copy it again")
    width, height = shown_size(frame, stream)
    if display_matrix(frame)[0, 0] == 0:
        width, height = height, width
    return VideoInfo(
        width=width,
        height=height,
        fps=frame_rate(stream, path),
        codec=stream.codec_context.name,
    )


def _probe_audio(container: InputContainer) -> AudioInfo | None:
    if not container.streams.audio:
        return None
    context = container.streams.audio[0].codec_context
    return AudioInfo(
        sample_rate=context.sample_rate, channels=context.layout.nb_channels, codec=context.name
    )
