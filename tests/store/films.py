"""Tiny real media, made with PyAV."""

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True, kw_only=True)
class Film:
    """What a made film is like. Frame times are in milliseconds; its grey level tells the time."""

    codec: str = "libx264"
    sound: str | None = "aac"
    suffix: str = ".mp4"
    times: tuple[int, ...] = tuple(range(0, 1000, 40))
    rate: int = 16000
    layout: str = "mono"
    rotation: int = 0


def level_at(milliseconds: float) -> int:
    return 20 + round(milliseconds / 10) * 2


def picture_at(milliseconds: float) -> np.ndarray:
    frame = np.full((HEIGHT, WIDTH, 3), level_at(milliseconds), np.uint8)
    frame[: HEIGHT // 4, : WIDTH // 4] = [250, 10, 10]
    return frame


def beeps(seconds: float, rate: int) -> np.ndarray:
    """Make a sound of 20 ms beeps that begin at each tenth of a second."""
    time = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * 700 * time) * (time % 0.1 < 0.02)).astype(np.float32)


def write_film(path: Path, film: Film) -> Path:
    with av.open(str(path), "w") as container:
        video = container.add_stream(film.codec, rate=Fraction(25), options={"threads": "1"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if film.suffix != ".avi":  # which has no times, only a rate
            video.codec_context.time_base = Fraction(1, 1000)
        video.bit_rate = 2_000_000
        if film.rotation:
            video.set_display_rotation(film.rotation)
        audio = None
        if film.sound:
            audio = container.add_stream(film.sound, rate=film.rate, layout=film.layout)
        gap = film.times[-1] - film.times[-2]
        for begin, end in zip(film.times, (*film.times[1:], film.times[-1] + gap), strict=True):
            frame = av.VideoFrame.from_ndarray(picture_at(begin), format="rgb24")
            frame.pts, frame.time_base, frame.duration = begin, Fraction(1, 1000), end - begin
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            mono = beeps((film.times[-1] + gap) / 1000, film.rate)
            channels = np.tile(mono, (audio.codec_context.layout.nb_channels, 1))
            sound = av.AudioFrame.from_ndarray(channels, format="fltp", layout=film.layout)
            sound.sample_rate, sound.pts = film.rate, 0
            to_codec = av.AudioResampler(format=audio.codec_context.format, rate=film.rate)
            for piece in (*to_codec.resample(sound), *to_codec.resample(None)):
                container.mux(audio.encode(piece))
            container.mux(audio.encode(None))
    return path


def write_indexed(path: Path, times: tuple[int, ...]) -> None:
    """Write a lossless film whose k-th frame, shown from times[k] ms, has the grey level 10 k."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264rgb", rate=Fraction(25), options={"qp": "0"})
        video.width, video.height, video.pix_fmt = 16, 16, "rgb24"
        video.codec_context.time_base = Fraction(1, 1000)
        ends = (*times[1:], 2 * times[-1] - times[-2])
        for k, (begin, end) in enumerate(zip(times, ends, strict=True)):
            grey = np.full((16, 16, 3), 10 * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
            frame.pts, frame.time_base, frame.duration = begin, Fraction(1, 1000), end - begin
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def write_late(path: Path, delay: float) -> None:
    """Write a film of one second whose beeps set in after `delay` seconds of no sound track."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(25))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("pcm_s16le" if path.suffix == ".mkv" else "aac", rate=16000)
        audio.layout = "mono"
        for k in range(25):
            frame = av.VideoFrame.from_ndarray(picture_at(40 * k), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        sound = av.AudioFrame.from_ndarray(beeps(0.7, 16000)[None], format="fltp", layout="mono")
        sound.sample_rate, sound.pts = 16000, round(delay * 16000)
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def write_wav(path: Path, audio: np.ndarray, rate: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(audio * 32767).astype("<i2").tobytes())
