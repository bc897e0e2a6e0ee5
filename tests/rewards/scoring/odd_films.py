"""Odd and bad films of a clip, made with PyAV."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from likeness.store.clip import Clip
from likeness.store.media import encode

TICKS = 90_000  # of a second: 23.976 and 30 frames a second fall on whole ones


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the films are made of.

    Attributes:
        clip: a person who talks, at 25 frames a second.
        other: another person, as many frames of the same size.
        boxes: (T, 4) where the clip's face is, in pixels.

    """

    clip: Clip
    other: Clip
    boxes: np.ndarray


def timed(
    source: Source, path: Path, times: np.ndarray, *, rate: float = 25, rotation: int = 0
) -> None:
    """Write a film whose frames come up at given times in seconds, each what was to be seen then.

    Args:
        source: of which it is made.
        path: where it goes.
        times: ascending, the first 0.
        rate: frames a second that the film says it has.
        rotation: degrees by which a player is to turn it.

    """
    clip = source.clip
    frames = clip.frames[np.minimum((times * clip.fps + 1e-6).astype(int), len(clip) - 1)]
    if rotation:
        frames = np.rot90(frames, -rotation // 90, axes=(1, 2))
    height, width = frames.shape[1:3]
    with av.open(str(path), "w") as file:
        said = Fraction(rate).limit_denominator(1001)
        video = file.add_stream("libx264", rate=said, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.codec_context.time_base = Fraction(1, TICKS)
        if rotation:
            video.set_display_rotation(rotation)
        audio = file.add_stream("aac", rate=clip.sample_rate, layout="mono")
        ends = np.append(times[1:], 2 * times[-1] - times[-2])
        for picture, begin, end in zip(frames, times, ends, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(begin * TICKS), Fraction(1, TICKS)
            frame.duration = round(end * TICKS) - frame.pts
            file.mux(video.encode(frame))
        file.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(clip.audio[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts = clip.sample_rate, 0
        file.mux(audio.encode(sound))
        file.mux(audio.encode(None))


def steady(source: Source, path: Path, rate: float) -> None:
    """Write a film of another frame rate."""
    timed(source, path, np.arange(int(source.clip.duration * rate)) / rate, rate=rate)


def varying(source: Source, path: Path) -> None:
    """Write a film whose frames last 20 and 60 ms by turns, as phones do."""
    whole = np.cumsum(np.tile([0.02, 0.06], len(source.clip)))
    timed(source, path, np.append(0, whole[whole < source.clip.duration - 0.01]))


def turned(source: Source, path: Path) -> None:
    """Write a film that lies on its side and tells players to turn it."""
    timed(source, path, np.arange(len(source.clip)) / source.clip.fps, rotation=90)


def dull(source: Source, path: Path) -> None:
    """Write a film with mono sound of 8 kHz."""
    encode(replace(source.clip, audio=source.clip.audio[::2].copy(), sample_rate=8000), path)


def overdriven(source: Source, path: Path) -> None:
    """Write a film whose sound is clipped."""
    loud = source.clip.audio / max(1e-6, np.abs(source.clip.audio).max())
    encode(replace(source.clip, audio=np.clip(8 * loud, -1, 1).astype(np.float32)), path)


def huge(source: Source, path: Path) -> None:
    """Write a film in 4K."""
    height, width = 2160, 2160 * source.clip.size[0] // source.clip.size[1] // 2 * 2
    second = source.clip.frames[:26]  # more would take gigabytes
    frames = [cv2.resize(f, (width, height), interpolation=cv2.INTER_CUBIC) for f in second]
    encode(replace(source.clip, frames=np.stack(frames)), path)


def in_turn(source: Source, path: Path) -> None:
    """Write a film of two people of whom one talks and then the other."""
    a, b = source.clip, source.other
    half, samples = len(a) // 2, len(a.audio) // 2
    still_a = np.concatenate([a.frames[:half], np.repeat(a.frames[half, None], len(a) - half, 0)])
    still_b = np.concatenate([np.repeat(b.frames[half, None], half, 0), b.frames[half : len(a)]])
    audio = np.concatenate([a.audio[:samples], b.audio[samples : len(a.audio)]])
    encode(replace(a, frames=np.concatenate([still_a, still_b], axis=2), audio=audio), path)


def shaded(source: Source, path: Path) -> None:
    """Write a film with a dark bar over the eyes."""
    frames = source.clip.frames.copy()
    for frame, (left, top, right, bottom) in zip(frames, source.boxes, strict=True):
        height = bottom - top
        rows = slice(round(top + 0.27 * height), round(top + 0.48 * height))
        frame[rows, max(0, round(left)) : round(right)] = 12
    encode(replace(source.clip, frames=frames), path)


def profile(source: Source, path: Path) -> None:
    """Write a film of half a face: its other half is out of the picture."""
    frames = source.clip.frames.copy()
    for frame, (left, _, right, _) in zip(frames, source.boxes, strict=True):
        frame[:, round((left + right) / 2) :] = frame[:, -1:].mean((0, 1)).astype(np.uint8)
    encode(replace(source.clip, frames=frames), path)


def silent(source: Source, path: Path) -> None:
    """Write a film whose sound is silence."""
    encode(replace(source.clip, audio=np.zeros_like(source.clip.audio)), path)


def mute(source: Source, path: Path) -> None:
    """Write a film without a sound track."""
    encode(replace(source.clip, audio=np.zeros(0, np.float32)), path)


def empty(source: Source, path: Path) -> None:
    """Write a file of no bytes."""
    path.touch()


def truncated(source: Source, path: Path) -> None:
    """Write half a file."""
    encode(source.clip, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def one_frame(source: Source, path: Path) -> None:
    """Write a film of one frame."""
    encode(source.clip.window(0, 1), path)


def faceless(source: Source, path: Path) -> None:
    """Write a film of a grey wall."""
    encode(replace(source.clip, frames=np.full_like(source.clip.frames, 128)), path)


ODD: Mapping[str, Callable[[Source, Path], None]] = {
    "as it is": lambda source, path: encode(source.clip, path),
    "varying frame rate": varying,
    "23.976 fps": lambda source, path: steady(source, path, 24000 / 1001),
    "30 fps": lambda source, path: steady(source, path, 30),
    "portrait": turned,
    "mono 8 kHz": dull,
    "clipped": overdriven,
    "4K": huge,
    "two in turn": in_turn,
    "sunglasses": shaded,
    "profile": profile,
    "silent": silent,
    "no audio": mute,
    "empty": empty,
    "truncated": truncated,
    "one frame": one_frame,
    "no face": faceless,
}
"""How each film is made."""
