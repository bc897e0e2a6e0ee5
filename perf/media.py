"""Frames a second through the codecs, and the memory that a clip takes."""

import resource
import tempfile
import time
from pathlib import Path

from likeness.store.media import decode, encode
from likeness.testbed.cast import cast, take_of

SECONDS = 4.0
SIZES = (64, 256)


def main() -> None:
    (person,) = cast("spare", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        for size in SIZES:
            clip = take_of(person, 0, SECONDS, size).clip
            for lossless in (False, True):
                start = time.perf_counter()
                encode(clip, path, lossless=lossless)
                written = time.perf_counter()
                decode(path)
                read = time.perf_counter()
                kind = "lossless" if lossless else "h264"
                rates = [len(clip) / spent for spent in (written - start, read - written)]
                print(
                    f"{size:4d} px {kind:8}  "
                    f"written {rates[0]:6.0f} frames/s  read {rates[1]:6.0f} frames/s  "
                    f"{path.stat().st_size / SECONDS / 1e3:6.0f} kB/s"
                )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
