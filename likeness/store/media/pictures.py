import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from likeness.store.media.probing import (
    MediaError,
    display_matrix,
    frame_rate,
    opened,
    shown_size,
    video_stream,
)

# Bit-exact conversion: a clip decodes to the same bytes on every processor.
_SCALING = (
    Interpolation.BILINEAR
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)
_SEEK_SLACK = 0.5  # seconds; a seek lands by decoding time, which runs ahead of what is shown
_TICK_SLACK = 1e-6  # seconds; containers round their times


@dataclass(frozen=True, kw_only=True)
class Ticks:
    """The moments at which a film is looked at: `start`, `start + 1/fps`, ... in seconds of it."""

    fps: float
    start: float

    def at(self, index: int) -> float:
        """Return the time of one tick."""
        return self.start + index / self.fps


@dataclass(frozen=True, kw_only=True)
class TimedFrame:
    """A decoded frame with the time it comes up and goes, in seconds of the film."""

    frame: VideoFrame
    start: float
    end: float


def origin_time(stream: VideoStream) -> float:
    """Return the container's time of the film's first picture, in seconds."""
    return float((stream.start_time or 0) * _time_base(stream))


def promised_end(stream: Stream) -> float | None:
    """Return when a stream should end by its container's word, in container seconds."""
    if stream.duration is None or stream.time_base is None:
        return None
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base)


def expected_frames(path: Path, fps: float) -> int:
    """Say how many pictures :func:`pictures` should yield from a film's start, 1 or more.

    Told by the packets' times, without decoding: a damaged film may yield others.
    """
    with opened(path) as container:
        stream = video_stream(container, path)
        step = 1 / frame_rate(stream, path)
        base, end = _time_base(stream), 0.0
        for packet in container.demux(stream):
            begin = packet.dts if packet.pts is None else packet.pts
            if begin is not None:
                end = max(end, begin * base + (float((packet.duration or 0) * base) or step))
        shown = end - origin_time(stream) + _TICK_SLACK
        return max(1, math.ceil(shown * fps - 0.5))


def checked_packets(
    container: InputContainer, stream: VideoStream | av.AudioStream, path: Path
) -> Iterator[Packet]:
    """Yield a stream's packets.

    Raises:
        MediaError: a packet is cut short.

    """
    for packet in container.demux(stream):
        if packet.is_corrupt:
            raise MediaError(f"{path}: truncated or damaged inside a packet; copy it again")
        yield packet


def pictures(container: InputContainer, path: Path, ticks: Ticks) -> Iterator[np.ndarray]:
    """Yield what is on screen at each tick, upright, (H, W, 3) uint8 RGB, to the film's end.

    At a tick the frame shown is the latest that has come up by then, counting half a frame ahead
    so that equal rates map one to one and higher ones to the nearest frame; times come from the
    container, so varying rates keep their pace. Only frames that are shown get converted.

    Raises:
        MediaError: no video stream, or the film ends before its container says.

    """
    stream = video_stream(container, path)
    ahead = 0.5 / max(frame_rate(stream, path), ticks.fps) - _TICK_SLACK
    convert = _Converter(stream)
    held: TimedFrame | None = None
    index = 0
    for timed in _timed_frames(container, stream, path, ticks.start):
        while held is not None and ticks.at(index) + ahead < timed.start:
            yield convert(held.frame)
            index += 1
        held = timed
    if held is None:
        raise MediaError(f"{path}: truncated, the video stream holds no frame; copy it again")
    _check_end(held, stream, path)
    while index == 0 or ticks.at(index) + 0.5 / ticks.fps < held.end + _TICK_SLACK:
        yield convert(held.frame)
        index += 1


class _Converter:
    """Turns decoded frames into upright RGB arrays of one size, each frame once."""

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None
        self._last: tuple[VideoFrame, np.ndarray] | None = None

    def __call__(self, frame: VideoFrame) -> np.ndarray:
        if self._last is not None and self._last[0] is frame:
            return self._last[1]
        self._size = self._size or shown_size(frame, self._stream)
        width, height = self._size
        rgb = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=_SCALING
        ).to_ndarray()
        upright = np.ascontiguousarray(_turned(rgb, display_matrix(frame)))
        self._last = frame, upright
        return upright


def _turned(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Turn and mirror a picture (H, W, 3) by a 2 x 2 matrix of -1, 0, 1."""
    if matrix[0, 0] == 0:
        picture, matrix = picture.swapaxes(0, 1), matrix[::-1]
    return picture[:: matrix[1, 1] or 1, :: matrix[0, 0] or 1]


def _time_base(stream: VideoStream) -> float:
    return float(stream.time_base or 0)


def _timed_frames(
    container: InputContainer, stream: VideoStream, path: Path, start: float
) -> Iterator[TimedFrame]:
    """Yield the frames from the last one before `start` on, or some more."""
    zero, step = origin_time(stream), 1 / frame_rate(stream, path)
    if start > _SEEK_SLACK:
        container.seek(round((zero + start - _SEEK_SLACK) * av.time_base))
    first = True
    for packet in checked_packets(container, stream, path):
        for frame in packet.decode():
            if not isinstance(frame, VideoFrame) or frame.time is None:
                raise MediaError(f"{path}: a frame has no time; encode the file again")
            begin = frame.time - zero
            if first and begin > start > _SEEK_SLACK:
                raise MediaError(f"{path}: can't seek to {start:.2f} s; encode the file again")
            first = False
            length = float((frame.duration or 0) * (frame.time_base or 0)) or step
            yield TimedFrame(frame=frame, start=begin, end=begin + length)


def _check_end(last: TimedFrame, stream: VideoStream, path: Path) -> None:
    promised = promised_end(stream)
    if promised is None:
        return
    promised -= origin_time(stream)
    if last.end < promised - 3 / frame_rate(stream, path) - 0.05:
        raise MediaError(
            f"{path}: truncated, the picture ends at {last.end:.2f} s of {promised:.2f} s; "
            "copy it again"
        )
