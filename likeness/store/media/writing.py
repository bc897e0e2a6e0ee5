from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import numpy as np
from av.container import OutputContainer
from av.error import ArgumentError, ExternalError
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from likeness.store.atomic import replacing
from likeness.store.clip import Clip, Origin
from likeness.store.media.probing import ORIGIN_TAG, MediaError

# A fixed number of threads: x264's output depends on it, and the same clip must give the same
# bytes on every machine.
_THREADS = "2"
_CONTAINER = {"movflags": "faststart+use_metadata_tags", "fflags": "+bitexact"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Reel:
    """A clip whose frames come in blocks, for what is too long to hold.

    Attributes:
        blocks: (T, H, W, 3) uint8 each, of one size.
        fps: frames a second.
        audio: (samples,) float32 in -1..1; its end is the film's or before.
        sample_rate: of the audio.
        origin: what made the frames.

    """

    blocks: Iterable[np.ndarray]
    fps: float
    audio: np.ndarray
    sample_rate: int
    origin: Origin


def encode(
    clip: Clip | Reel, path: str | Path, *, lossless: bool = False, keys: int | None = None
) -> None:
    """Write a clip as an mp4 file, whole or not at all; the same clip gives the same bytes.

    By default h264 (yuv420p, BT.709) and aac, which browsers play; a picture of odd size gets its
    last row or column doubled. Lossless files (h264 RGB and float PCM) decode to the very clip but
    play in few browsers. The clip's origin is kept in the container's metadata.

    ``keys`` says after how many frames there is a key frame again, and keeps all frames in order,
    for players that go to any frame at once; by default the codec chooses.

    Raises:
        MediaError: the codec refuses the clip, such as aac an odd sample rate.
        DiskFullError: no room on the disk.

    """
    path = Path(path)
    with replacing(path) as temporary:
        try:
            with av.open(
                str(temporary),
                "w",
                format="mp4",
                options=_CONTAINER,
            ) as container:
                container.metadata[ORIGIN_TAG] = clip.origin
                _mux(container, clip, lossless, keys)
        except (ArgumentError, ExternalError) as error:
            raise MediaError(f"{path}: can't be encoded ({error.strerror})") from error


def encode_bytes(clip: Clip, *, lossless: bool = False) -> bytes:
    """Return the bytes of the mp4 file that `encode` writes.

    Raises:
        MediaError: the codec refuses the clip.
        DiskFullError: no room on the disk for temporary files.

    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode(clip, path, lossless=lossless)
        return path.read_bytes()


def _mux(container: OutputContainer, clip: Clip | Reel, lossless: bool, keys: int | None) -> None:
    rate = Fraction(clip.fps).limit_denominator(1001)
    video = _lossless_video(container, rate) if lossless else _video(container, rate, keys)
    audio = None
    if clip.audio.size:
        codec = "pcm_f32le" if lossless else "aac"
        audio = container.add_stream(codec, rate=clip.sample_rate, layout="mono")
    blocks = iter([clip.frames] if isinstance(clip, Clip) else clip.blocks)
    first = next(blocks)
    if not lossless:
        first = _even(first)
    video.height, video.width = first.shape[1:3]
    if audio is not None:  # a muxer holds back what the other stream lacks: sound is the smaller
        layout = "flt" if lossless else "fltp"
        sound = av.AudioFrame.from_ndarray(clip.audio[None], format=layout, layout="mono")
        sound.sample_rate = clip.sample_rate
        sound.pts = 0
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    for block in chain([first], blocks):
        for frame in block if lossless else _even(block):
            container.mux(video.encode(_picture(frame, lossless)))
    container.mux(video.encode(None))


def _video(container: OutputContainer, rate: Fraction, keys: int | None) -> VideoStream:
    order = {} if keys is None else {"g": str(keys), "bf": "0"}
    stream = container.add_stream(
        "libx264",
        rate=rate,
        options={
            "crf": "16",
            "preset": "medium",
            "threads": _THREADS,
            # Macroblock trees are not built the same way every time.
            "x264-params": "mbtree=0",
            **order,
        },
    )
    stream.pix_fmt = "yuv420p"
    say_bt709(stream)
    return stream


def say_bt709(stream: VideoStream) -> None:
    """Write into a film's stream which colours its numbers mean: BT.709, limited range."""
    context = stream.codec_context
    context.colorspace = Colorspace.ITU709
    context.color_range = ColorRange.MPEG
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709


def _lossless_video(container: OutputContainer, rate: Fraction) -> VideoStream:
    stream = container.add_stream(
        "libx264rgb",
        rate=rate,
        options={"qp": "0", "preset": "veryfast", "threads": _THREADS, "x264-params": "mbtree=0"},
    )
    stream.pix_fmt = "rgb24"
    return stream


def _picture(frame: np.ndarray, lossless: bool) -> av.VideoFrame:
    rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
    if lossless:
        return rgb
    return rgb.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)


def _even(frames: np.ndarray) -> np.ndarray:
    """Double the last row and column where needed: yuv420p halves both sizes."""
    height, width = frames.shape[1:3]
    return np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
