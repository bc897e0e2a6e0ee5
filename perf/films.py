"""Reading films: time against PyAV's own, and memory by length.

Decoding is timed on the films that LIKENESS_MEDIA names. PyAV's own is the loop of its
documentation, which converts pixels the fast way; ours converts to the same bytes on every
processor. Memory is that of a fresh process that looks for the faces of a whole drawn film.
"""

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import torch

from likeness.rewards.sets import RewardSet
from likeness.store.film import Film
from likeness.store.media import decode, encode
from likeness.testbed.cast import cast, take_of

FILMS = ("may_5s_real3d.mp4", "latentsync_demo1.mp4")
MINUTES = (1, 10)


def spent() -> np.ndarray:
    """Seconds by the clock and of processors."""
    use = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), use.ru_utime + use.ru_stime])


def with_pyav(path: Path) -> int:
    """Decode as PyAV's documentation does it."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        return len([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def with_ours(path: Path) -> int:
    return len(decode(path, fps=None, need_audio=False))


def decoding(path: Path, read: Callable[[Path], int]) -> np.ndarray:
    """Milliseconds a frame, by the clock and of processors, the best of three."""
    tries = []
    for _ in range(3):
        start = spent()
        count = read(path)
        tries.append((spent() - start) / count)
    return 1e3 * np.min(tries, axis=0)


def repeated(path: Path, times: int, out: Path) -> None:
    """Play a film several times over, without encoding it again; sound is left out."""
    with av.open(str(out), "w") as made:
        stream, late = None, 0
        for _ in range(times):
            with av.open(str(path)) as film:
                video = film.streams.video[0]
                stream = stream or made.add_stream_from_template(video)
                for packet in film.demux(video):
                    if packet.dts is None:
                        continue
                    packet.pts, packet.dts = (packet.pts or 0) + late, packet.dts + late
                    packet.stream = stream
                    made.mux(packet)
                late += video.duration or 0


def long_peak(path: Path) -> tuple[int, float]:
    """Look for the faces of a whole film: its frames, and this process's most memory in MB."""
    torch.set_num_threads(1)
    film = Film.open(path, need_audio=False)
    RewardSet.load("testbed").faces.tracks([film])
    return len(film), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_memory(folder: Path) -> None:
    (person,) = cast("spare", 1)
    take = take_of(person, 0, 6.0, 128).clip
    encode(take, folder / "take.mp4")
    context = multiprocessing.get_context("spawn")
    for minutes in MINUTES:
        path = folder / f"{minutes}.mp4"
        repeated(folder / "take.mp4", 10 * minutes, path)
        with context.Pool(1) as pool:
            frames, peak = pool.apply(long_peak, (path,))
        held = frames * take.frames[0].nbytes / 2**20
        print(f"{minutes:3} min film: {peak:5.0f} MB at the peak; its frames take {held:5.0f} MB")


def main() -> None:
    media = os.environ.get("LIKENESS_MEDIA")
    for film in FILMS if media else ():
        path = Path(media or "") / "video" / film
        theirs, mine = decoding(path, with_pyav), decoding(path, with_ours)
        print(
            f"decoding {film}: PyAV {theirs[0]:.2f} ms a frame, ours {mine[0]:.2f}; "
            f"of a processor {theirs[1]:.2f} and {mine[1]:.2f}"
        )
    with tempfile.TemporaryDirectory() as name:
        show_memory(Path(name))


if __name__ == "__main__":
    main()
