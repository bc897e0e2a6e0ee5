"""What of a film is learnt from, and what is kept for the benchmark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from likeness.cli.loop.own.footage import Head
from likeness.store.hiding import hidden_region
from likeness.training.talking_set import TalkingSet

WINDOW = 25
HELD_OUT = 0.25  # share of a film, at its end
GAP = 5  # frames between the two, so that a held-out window is no neighbour of a learnt one
LEAST = 3 * WINDOW + GAP
LONGEST = 50  # frames of a take in the training set
PROMPT = "a person"


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """A run of frames of a head, from ``start`` up to ``stop``."""

    head: Head
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def starts(self, count: int) -> list[int]:
        """Spread the starts of ``count`` windows evenly; short stretches repeat some."""
        return np.linspace(self.start, self.stop - WINDOW, count).round().astype(int).tolist()


@dataclass(frozen=True, kw_only=True, eq=False)
class Division:
    """A film's parts: two to learn from, and the last, which is held out."""

    first: Stretch
    second: Stretch
    held_out: Stretch


def divide(head: Head) -> Division:
    """Divide a film of at least ``LEAST`` frames."""
    frames = len(head.clip)
    held = max(WINDOW, round(HELD_OUT * frames))
    learnt = frames - held - GAP
    return Division(
        first=Stretch(head=head, start=0, stop=learnt // 2),
        second=Stretch(head=head, start=learnt // 2, stop=learnt),
        held_out=Stretch(head=head, start=frames - held, stop=frames),
    )


def plate(division: Division) -> np.ndarray:
    """Guess the scene without the person, (H, W, 3) uint8: what is there most of the time.

    Behind the person it is wrong, and hidden.
    """
    frames = division.first.head.clip.frames[: division.second.stop]
    return np.median(frames, axis=0).astype(np.uint8)


Cast = Mapping[str, Sequence[Division]]


def learnt(divisions: Sequence[Division]) -> list[Stretch]:
    """List what is learnt of one person."""
    return [stretch for d in divisions for stretch in (d.first, d.second)]


def partners(stretch: Stretch, divisions: Sequence[Division]) -> list[Stretch]:
    """List what a person may be known from while ``stretch`` is made: other films, or its rest."""
    apart = [s for s in learnt(divisions) if s.head is not stretch.head]
    rest = [s for s in learnt(divisions) if s.start != stretch.start]
    return apart or rest


def talking_set(cast: Cast, draws: int, rng: np.random.Generator) -> TalkingSet:
    """Draw pairs of takes to learn from: two stretches of one person, which never overlap.

    Args:
        cast: the films of each person.
        draws: pairs of each person; a pair fills the place of a person in two scenes.
        rng: says where takes begin.

    """
    everyone = [stretch for divisions in cast.values() for stretch in learnt(divisions)]
    frames = min(LONGEST, *(len(stretch) for stretch in everyone))
    takes: list[Head] = []
    for divisions in cast.values():
        stretches = learnt(divisions)
        for number in range(draws):
            one = stretches[number % len(stretches)]
            known = partners(one, divisions)
            other = known[int(rng.integers(len(known)))]
            takes += [_take(stretch, frames, rng) for stretch in (one, other)]
    plates = {d.first.head.name: plate(d) for divisions in cast.values() for d in divisions}
    hidden = hidden_region(takes[0].clip.size[0])
    pairs = len(takes) // 2
    return TalkingSet(
        frames=_paired([take.clip.frames for take in takes]),
        audio=_paired([take.clip.audio for take in takes]),
        boxes=_paired([take.boxes for take in takes]),
        mouths=_paired([take.mouths for take in takes]),
        hidden=np.broadcast_to(hidden, (pairs, 2, *hidden.shape)),
        backgrounds=_paired([plates[take.name] for take in takes]),
        captions=[PROMPT] * len(takes),
    )


def _take(stretch: Stretch, frames: int, rng: np.random.Generator) -> Head:
    return stretch.head.window(int(rng.integers(stretch.start, stretch.stop - frames + 1)), frames)


def _paired(arrays: list[np.ndarray]) -> np.ndarray:
    stacked = np.stack(arrays)
    return stacked.reshape(-1, 2, *stacked.shape[1:])
