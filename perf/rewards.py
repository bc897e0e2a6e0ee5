"""Milliseconds a clip of one second takes each reward, and memory, on the testbed's models."""

import resource
import time

from likeness.rewards.base import Subject
from likeness.rewards.sets import RewardSet
from likeness.testbed.cast import cast, take_of

PEOPLE = 16


def main() -> None:
    subjects = [
        Subject(
            clip=take_of(person, 1, 1.0).clip,
            reference=take_of(person, 0, 1.0).clip,
            target=take_of(person, 2, 1.0).clip,
        )
        for person in cast("spare", PEOPLE)
    ]
    rewards = RewardSet.load("testbed")
    start = time.perf_counter()
    rewards.faces.tracks(
        [clip for s in subjects for clip in (s.clip, s.reference, s.target) if clip]
    )
    print(f"{'faces':32}  {1e3 * (time.perf_counter() - start) / PEOPLE:6.1f} ms")
    for reward in rewards.rewards:
        start = time.perf_counter()
        reward.score(subjects)
        spent = time.perf_counter() - start
        print(f"{', '.join(reward.names):32}  {1e3 * spent / PEOPLE:6.1f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"peak memory {peak:.2f} GB")


if __name__ == "__main__":
    main()
