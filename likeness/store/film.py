"""Footage that stays on disk: a film is decoded piece by piece, each time it is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from likeness.store.clip import PIECE, Clip, Origin, begin_hash
from likeness.store.media.pictures import Ticks, expected_frames, pictures
from likeness.store.media.probing import (
    MediaError,
    audio_stream,
    frame_rate,
    opened,
    origin_of,
    probe,
    video_stream,
)
from likeness.store.media.reading import decode, soundtrack

MOST_HELD = 512 * 2**20
MOST_IN_PIECE = 64 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class Film:
    """A media file as footage, for what is too long to hold.

    It says and shows what the clip that `decode` reads from the file says and shows, in the
    memory of a piece. Made by :meth:`open`.

    Attributes:
        path: the file, which must stay as it is.
        fps: frames a second.
        audio: (samples,) float32 mono in [-1, 1]; empty where there is no sound.
        sample_rate: audio samples a second.
        origin: what made the frames, as far as the file tells.
        size: width and height in pixels.
        hash: SHA-256 of what is seen and heard, as the clip's.
        count: frames.

    """

    path: Path
    fps: float
    audio: np.ndarray = field(repr=False)
    sample_rate: int
    origin: Origin
    size: tuple[int, int]
    hash: str
    count: int

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        fps: float | None = 25.0,
        sample_rate: int = 16000,
        need_audio: bool = True,
    ) -> "Film":
        """Read a file once from start to end, so that what is wrong with it is told now.

        Arguments are those of :func:`likeness.store.media.decode`.

        Raises:
            MediaError: the file is missing, truncated, damaged or has no picture, or no sound
                where it is needed.

        """
        path = Path(path)
        with opened(path) as container:
            rate = fps or frame_rate(video_stream(container, path), path)
            origin = origin_of(container)
            if need_audio:
                audio_stream(container, path)
            has_audio = bool(container.streams.audio)

        def heard(count: int) -> np.ndarray:
            if not has_audio:
                return np.zeros(0, np.float32)
            try:
                return soundtrack(path, count / rate, sample_rate=sample_rate)
            except MediaError:
                for _ in _pieces(path, rate, 8):  # what is wrong with the picture is told first
                    continue
                raise

        # the hash begins with the number of frames, which is known for sure at the end only
        count = expected_frames(path, rate)
        told, size, digest, audio = -1, (0, 0), "", np.zeros(0, np.float32)
        while told != count:
            told, audio = count, heard(count)
            count, size, digest = _survey(path, rate, told, audio, sample_rate)
        return cls(
            path=path,
            fps=rate,
            audio=audio,
            sample_rate=sample_rate,
            origin=origin,
            size=size,
            hash=digest,
            count=count,
        )

    def __len__(self) -> int:
        return self.count

    @property
    def duration(self) -> float:
        """Seconds of picture."""
        return self.count / self.fps

    def pieces(self, most: int = PIECE) -> Iterator[np.ndarray]:
        """Decode all frames in order: (n, H, W, 3) uint8 with n <= most; each call begins anew.

        Pieces of large frames are shorter: they take 64 MiB at most.

        Raises:
            MediaError: the file was changed or removed since it was opened.

        """
        width, height = self.size
        most = max(1, min(most, MOST_IN_PIECE // (3 * width * height)))
        count = 0
        for piece in _pieces(self.path, self.fps, most):
            count += len(piece)
            yield piece
        if count != self.count:
            raise MediaError(
                f"{self.path}: {count} frames now, {self.count} when it was opened; leave the file "
                "alone while it is looked at"
            )


def footage(
    path: str | Path,
    *,
    fps: float | None = 25.0,
    sample_rate: int = 16000,
    need_audio: bool = True,
) -> Clip | Film:
    """Read a file as a clip where its frames take at most 512 MiB, else open it as a film.

    Arguments are those of :func:`likeness.store.media.decode`.

    Raises:
        MediaError: as `decode`.

    """
    path = Path(path)
    video = probe(path).video
    if video is None:
        raise MediaError(f"{path}: no video stream; give a file with a picture")
    held = 3 * video.width * video.height * expected_frames(path, fps or video.fps)
    read = decode if held <= MOST_HELD else Film.open
    return read(path, fps=fps, sample_rate=sample_rate, need_audio=need_audio)


def _survey(
    path: Path, fps: float, expected: int, audio: np.ndarray, sample_rate: int
) -> tuple[int, tuple[int, int], str]:
    """Count the frames, measure them, and hash all as if there were `expected`."""
    count, size, digest = 0, (0, 0), None
    for piece in _pieces(path, fps, 8):
        shape = piece.shape[1:]
        digest = digest or begin_hash((expected, *shape), fps, len(audio), sample_rate)
        digest.update(piece.data)
        count, size = count + len(piece), (shape[1], shape[0])
    if digest is None:
        raise MediaError(f"{path}: truncated, the video stream holds no frame; copy it again")
    digest.update(np.ascontiguousarray(audio).data)
    return count, size, digest.hexdigest()


def _pieces(path: Path, fps: float, most: int) -> Iterator[np.ndarray]:
    with opened(path) as container:
        held: list[np.ndarray] = []
        for picture in pictures(container, path, Ticks(fps=fps, start=0.0)):
            held.append(picture)
            if len(held) == most:
                yield np.stack(held)
                held = []
        if held:
            yield np.stack(held)
