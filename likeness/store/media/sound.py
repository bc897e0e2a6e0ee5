import math
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from likeness.store.media.pictures import checked_packets, promised_end
from likeness.store.media.probing import MediaError, audio_stream

_MARGIN = 0.5  # seconds read around a window, for the codec and the filter to settle
_DRIFT = 0.02  # seconds by which timestamps may disagree with the count of samples
_CUT = 0.25  # seconds that may lack at the end before a track counts as truncated


def sound(
    container: InputContainer, path: Path, rate: int, start: float, seconds: float | None
) -> np.ndarray:
    """Read sound from `start`, in container seconds, for `seconds` or to the track's end.

    Channels are averaged. Gaps between timestamps, and the time before the track begins, are
    silent; resampling is linear-phase and keeps times.

    Returns:
        (samples,) float32 in [-1, 1]; shorter than `seconds` where the track ends before.

    Raises:
        MediaError: no audio stream, or the track ends before its container says.

    """
    stream = audio_stream(container, path)
    stop = math.inf if seconds is None else start + seconds + _MARGIN
    if start - _MARGIN > float((stream.start_time or 0) * (stream.time_base or 0)):
        container.seek(round((start - 2 * _MARGIN) * av.time_base))
    native = stream.codec_context.sample_rate
    pieces: list[np.ndarray] = []
    begin, filled = math.nan, 0
    for time, piece in _pieces(container, stream, path):
        if not pieces:
            begin = time
        lag = time - (begin + filled / native)
        if abs(lag) > _DRIFT:
            gap = round(lag * native)
            fresh = np.pad(piece[max(-gap, 0) :], (max(gap, 0), 0))
        else:
            fresh = piece
        pieces.append(fresh)
        filled += len(fresh)
        if begin + filled / native > stop:
            break
    else:
        _check_end(begin + filled / native, stream, path)
    if not pieces:
        return np.zeros(0, np.float32)
    return _cut(
        _resampled(np.concatenate(pieces), native, rate), (start - begin) * rate, seconds, rate
    )


def _cut(audio: np.ndarray, offset: float, seconds: float | None, rate: int) -> np.ndarray:
    first = round(offset)
    if first < 0:
        audio = np.concatenate([np.zeros(-first, np.float32), audio])
    audio = audio[max(first, 0) :]
    return audio if seconds is None else audio[: round(seconds * rate)]


def _pieces(
    container: InputContainer, stream: av.AudioStream, path: Path
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (time in container seconds, (samples,) float32 mono) at the track's own rate."""
    to_float = AudioResampler(format="fltp")
    ends = promised_end(stream)
    for packet in checked_packets(container, stream, path):
        for frame in packet.decode():
            if not isinstance(frame, AudioFrame) or frame.time is None:
                raise MediaError(f"{path}: a piece of sound has no time; encode the file again")
            time = frame.time
            for converted in to_float.resample(frame):
                mono = converted.to_ndarray().mean(axis=0, dtype=np.float32)
                # the last block of a codec is padded beyond the track's end
                keep = len(mono) if ends is None else round((ends - time) * frame.sample_rate)
                yield time, mono[: max(keep, 0)]


def _resampled(audio: np.ndarray, native: int, rate: int) -> np.ndarray:
    if native != rate:
        from scipy.signal import resample_poly

        shared = math.gcd(native, rate)
        audio = resample_poly(audio, rate // shared, native // shared).astype(np.float32)
    return np.clip(np.nan_to_num(audio), -1.0, 1.0)


def _check_end(end: float, stream: av.AudioStream, path: Path) -> None:
    promised = promised_end(stream)
    if promised is not None and not end >= promised - _CUT:
        raise MediaError(
            f"{path}: truncated, the sound ends {promised - end:.2f} s early; copy it again"
        )
