"""Media files in and out, with PyAV."""

from likeness.store.media.probing import AudioInfo, MediaError, MediaInfo, VideoInfo, probe
from likeness.store.media.reading import decode, decode_audio, iter_frames, soundtrack
from likeness.store.media.writing import Reel, encode, encode_bytes

__all__ = [
    "AudioInfo",
    "MediaError",
    "MediaInfo",
    "Reel",
    "VideoInfo",
    "decode",
    "decode_audio",
    "encode",
    "encode_bytes",
    "iter_frames",
    "probe",
    "soundtrack",
]
