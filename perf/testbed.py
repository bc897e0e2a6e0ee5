"""Frames a second of one core: `python perf/testbed.py`; asked for is 500 at 64 x 64."""

import time

from likeness.testbed.cast import cast, take_of

PEOPLE = 6
SECONDS = 2.0
FPS = 25


def main() -> None:
    people = cast("spare", PEOPLE)
    take_of(people[0], 0, SECONDS)
    for size in (64, 128, 256):
        start = time.process_time()
        for person in people:
            take_of(person, 0, SECONDS, size)
        rate = PEOPLE * SECONDS * FPS / (time.process_time() - start)
        print(f"{size:4d} px  {rate:6.0f} frames/s  {rate / FPS:5.1f} x real time")


if __name__ == "__main__":
    main()
