"""Reading films: time against PyAV's own, and memory by length.

Decoding is timed on the films that LIKENESS_MEDIA names. PyAV's own is the loop of its
documentation, which converts pixels the fast way; ours converts to the same bytes on every
processor. Memory is that of a fresh process that opens a drawn film with sound and scores it for
identity, lip sync and motion.
"""

import argparse
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from itertools import repeat
from pathlib import Path

import av
import numpy as np
import torch

from likeness.rewards.base import Subject
from likeness.rewards.sets import RewardSet
from likeness.store.film import Film
from likeness.store.media import Reel, decode, encode
from likeness.testbed.cast import cast, take_of

FILMS = ("may_5s_real3d.mp4", "latentsync_demo1.mp4")
SIDE = 64
NAMED = {"identity_ref", "sync_c", "motion"}


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


def long_peak(path: Path, reference: Path) -> tuple[int, dict[str, float], float]:
    """Score a whole film for identity, lip sync and motion.

    Returns:
        Its frames, the values, and this process's most memory in MB.

    """
    torch.set_num_threads(1)
    subject = Subject(clip=Film.open(path), reference=decode(reference))
    rewards = [r for r in RewardSet.load("testbed").rewards if NAMED & set(r.names)]
    values = {row.reward: row.value for r in rewards for row in r.score([subject])}
    return len(subject.clip), values, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def show_memory(folder: Path, minutes: list[int]) -> None:
    (person,) = cast("spare", 1)
    take = take_of(person, 0, 6.0, SIDE).clip
    encode(take, folder / "take.mp4")
    context = multiprocessing.get_context("spawn")
    for length in minutes:
        times = 10 * length
        reel = Reel(
            blocks=repeat(take.frames, times),
            fps=take.fps,
            audio=np.tile(take.audio, times),
            sample_rate=take.sample_rate,
            origin="testbed",
        )
        encode(reel, folder / f"{length}.mp4")
        start = time.perf_counter()
        with context.Pool(1) as pool:
            found = pool.apply(long_peak, (folder / f"{length}.mp4", folder / "take.mp4"))
        frames, values, peak = found
        held = frames * take.frames[0].nbytes / 2**20
        print(
            f"{length:3} min film: {peak:5.0f} MB at the peak; its frames take {held:5.0f} MB; "
            f"{time.perf_counter() - start:.0f} s"
        )
        print("    " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="*", default=[1, 10], help="of drawn films")
    minutes = parser.parse_args().minutes
    media = os.environ.get("LIKENESS_MEDIA")
    for film in FILMS if media else ():
        path = Path(media or "") / "video" / film
        theirs, mine = decoding(path, with_pyav), decoding(path, with_ours)
        print(
            f"decoding {film}: PyAV {theirs[0]:.2f} ms a frame, ours {mine[0]:.2f}; "
            f"of a processor {theirs[1]:.2f} and {mine[1]:.2f}"
        )
    with tempfile.TemporaryDirectory() as name:
        show_memory(Path(name), minutes)


if __name__ == "__main__":
    main()
