"""One mp4 file for a view, of which nothing but the picture tells what it shows.

The structure is fixed: a key frame each second, B-frames at fixed places, no encoder's name, no
time of making, no bit rate told. The size follows from the picture's size and number of frames
alone: the file is filled up to it with a `free` box, and encoded again more coarsely where it
is above. Where files show one clip each, every frame has a fixed size as well; see `even`.
"""

import os
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream

from likeness.annotation.media.composing import View, ViewError
from likeness.annotation.media.even import budgets, filled
from likeness.store.atomic import write_bytes
from likeness.store.media.writing import say_bt709

BITS = 0.20  # a pixel and frame
SOUND = 96_000  # bits a second
_CLASS = 65_536  # bytes: sizes are multiples of it
_COARSER = (18, 22, 26, 30, 35, 40, 46, 51)
_EPOCH = 946_684_800  # the year 2000: what servers tell as last modified
_BOX = 8  # bytes of a box's head
_MUXER = {"movflags": "faststart", "fflags": "+bitexact", "write_btrt": "0"}
_NO_SEI = "filter_units=remove_types=6"  # where x264 writes its name and settings


def size_of(view: View) -> int:
    """Return how many bytes the file of such a view has: picture size and frames decide alone."""
    width, height = view.size
    bits = BITS * width * height * view.count + SOUND * view.count / view.fps
    return (ceil(bits / 8 / _CLASS) + 1) * _CLASS


def encode_view(view: View, *, even: bool = False) -> bytes:
    """Write a view as an mp4 file (h264 yuv420p BT.709 and aac); the same view, the same bytes.

    Args:
        view: what is shown.
        even: give each frame the size that its kind has in every such file.

    Raises:
        ViewError: the picture is too restless to fit into the size that all such files have.

    """
    size = size_of(view)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "view.mp4"
        for coarseness in _COARSER:
            with av.open(str(path), "w", format="mp4", options=_MUXER) as container:
                fits = _mux(container, view, coarseness, even)
            written = path.read_bytes()
            if fits and len(written) <= size - _BOX:
                return _filled(written, size)
    raise ViewError(
        f"a view of {view.count} frames does not fit into {size} bytes; give quieter clips"
    )


def write_view(view: View, path: Path, *, even: bool = False) -> None:
    """Write a view's file, whole or not at all; its time says nothing of when it was made.

    Arguments are those of `encode_view`.

    Raises:
        ViewError: see `encode_view`.
        DiskFullError: no room on the disk.

    """
    write_bytes(path, encode_view(view, even=even))
    os.utime(path, (_EPOCH, _EPOCH))


def _filled(written: bytes, size: int) -> bytes:
    """Fill a file up with a box of zeros that players pass over."""
    rest = size - len(written)
    return written + rest.to_bytes(4, "big") + b"free" + bytes(rest - _BOX)


def _mux(container: OutputContainer, view: View, coarseness: int, even: bool) -> bool:
    """Write picture and sound; returns whether every frame fits into its even size."""
    video = _video(container, view, coarseness)
    audio = container.add_stream("aac", rate=view.sample_rate, layout="mono")
    audio.bit_rate = 64_000
    audio.codec_context.flags |= Flags.bitexact  # its name stays out of the sound, too
    sound = av.AudioFrame.from_ndarray(view.audio[None], format="fltp", layout="mono")
    sound.sample_rate, sound.pts = view.sample_rate, 0
    container.mux(audio.encode(sound))
    container.mux(audio.encode(None))
    nameless = BitStreamFilterContext(_NO_SEI, video)
    width, height = view.size
    sizes = budgets(width * height, _second(view), BITS)
    fits = True
    for packet in _packets(video, view):
        for part in nameless.filter(packet):
            whole = _evened(part, video, sizes) if even else part
            fits = fits and whole is not None
            container.mux(whole or part)
    return fits


def _evened(packet: Packet, video: VideoStream, sizes: tuple[int, int]) -> Packet | None:
    """Give a frame the size of its kind; None where it is larger."""
    data = filled(bytes(packet), sizes[0] if packet.is_keyframe else sizes[1])
    if data is None:
        return None
    whole = Packet(data)
    whole.stream, whole.time_base = video, packet.time_base
    whole.pts, whole.dts, whole.duration = packet.pts, packet.dts, packet.duration
    whole.is_keyframe = packet.is_keyframe
    return whole


def _second(view: View) -> int:
    """Frames from one key frame to the next."""
    return max(1, round(view.fps))


def _packets(video: VideoStream, view: View) -> Iterator[Packet | None]:
    for frame in view.frames():
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        yield from video.encode(rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709))
    yield from video.encode(None)
    yield None  # the filter's end


def _video(container: OutputContainer, view: View, coarseness: int) -> VideoStream:
    rate = Fraction(view.fps).limit_denominator(1001)
    second = _second(view)
    fixed = f"keyint={second}:min-keyint={second}:scenecut=0:bframes=2:b-adapt=0:open-gop=0"
    stream = container.add_stream(
        "libx264",
        rate=rate,
        options={
            "crf": str(coarseness),
            "preset": "medium",
            "threads": "2",
            # stitchable: the header does not tell how coarsely it is encoded
            "x264-params": f"{fixed}:stitchable=1:mbtree=0",
        },
    )
    stream.width, stream.height = view.size
    stream.pix_fmt = "yuv420p"
    say_bt709(stream)
    return stream
