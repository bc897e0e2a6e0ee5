"""A collection of clips with known people and known faults: what a curation is tried on.

OUT/clips/ holds the clips, and OUT/truth.csv says of each who it shows, in which scene, with which
fault, and whether it is one of the person's two clips whose scenes differ most.
"""

import csv
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np

from likeness.store.atomic import replacing
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError
from likeness.store.media import encode
from likeness.store.progress import Progress, silent
from likeness.testbed.cast import cast, take_of
from likeness.testbed.defects import blur, freeze, reencode
from likeness.testbed.person import Person
from likeness.testbed.take import Take

CLIPS, TRUTH = "clips", "truth.csv"
COLUMNS = ("path", "identity", "scene", "fault", "lowest")
MARGIN = 1.0  # dB by which a person's lowest pair lies below the next

Fault = Callable[[Take, Take, np.random.Generator], Clip]


class CollectionError(LikenessError):
    """A collection that can't be made."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a collection holds.

    Attributes:
        people: with all their scenes.
        scenes: of each of them.
        singles: people with one clip, who make no pair.
        faulty: clips of each fault, of further people each.
        seconds: of a clip.
        size: of a frame in pixels.
        split: of the testbed's cast.

    """

    people: int
    scenes: int = 4
    singles: int = 0
    faulty: int = 1
    seconds: float = 1.2
    size: int = 64
    split: str = "heldout"

    @property
    def clips(self) -> int:
        """How many there are."""
        return self.people * self.scenes + self.singles + self.faulty * (len(FAULTS) + len(COPIES))


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is known of a clip; fields are the columns of truth.csv."""

    path: str
    identity: str
    scene: str
    fault: str = ""
    lowest: bool = False


def _half(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return take.clip.window(0, len(take.clip) // 2)


def _slow(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return replace(take.clip, frames=take.clip.frames[::2], fps=take.clip.fps / 2)


def _cut(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    at = int(rng.integers(len(take.clip) // 3, 2 * len(take.clip) // 3))
    frames = np.concatenate([take.clip.frames[:at], other.clip.frames[at:]])
    return replace(take.clip, frames=frames)


def _flash(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    frames = take.clip.frames.copy()
    at = int(rng.integers(5, len(frames) - 5))
    frames[at] = rng.integers(0, 256, frames[at].shape, dtype=np.uint8)
    return replace(take.clip, frames=frames)


def _still(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    half = max(len(take.clip) * 2 // 3, 2)
    return freeze(take.clip, int(rng.integers(0, len(take.clip) - half + 1)), half)


def _nobody(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return replace(take.clip, frames=np.broadcast_to(take.background, take.clip.frames.shape))


def _two(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return replace(take.clip, frames=np.concatenate([take.clip.frames, other.clip.frames], axis=2))


def _mute(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return replace(take.clip, audio=np.zeros(0, np.float32))


def _silent(take: Take, other: Take, rng: np.random.Generator) -> Clip:
    return replace(take.clip, audio=np.zeros_like(take.clip.audio))


FAULTS: dict[str, Fault | None] = {
    "short": _half,
    "slow": _slow,
    "cut": _cut,
    "flash": _flash,
    "frozen": _still,
    "blurred": lambda take, other, rng: blur(take.clip, 2.0),
    "blocky": lambda take, other, rng: reencode(take.clip, 51),
    "no face": _nobody,
    "two faces": _two,
    "mute": _mute,
    "silent": _silent,
    "cut off": None,
    "no film": None,
}
"""Faults by name: (take, a take of another person, rng) -> spoilt clip; None where it is the file's
bytes that are spoilt."""

COPIES = ("twin", "recompressed")
"""Faults that are copies of a good clip of somebody else: of its file, or of its picture."""


def make(
    plan: Plan, out: Path, *, seed: int = 0, workers: int = 1, progress: Progress = silent
) -> list[Row]:
    """Film a collection; the workers' number changes nothing but the time.

    Raises:
        CollectionError: the plan has nobody in it.
        CastError: it has more people than the split.

    """
    if plan.people < 1 or plan.scenes < 2:
        raise CollectionError("a collection needs a person or more in two scenes or more")
    needed = plan.people + plan.singles + plan.faulty * len(FAULTS) + 1
    people = cast(plan.split, needed)
    names = list(FAULTS)
    jobs = [partial(_person, person, plan, out) for person in people[: plan.people]]
    rest = people[plan.people : -1]
    jobs += [partial(_single, person, plan, out) for person in rest[: plan.singles]]
    for number, person in enumerate(rest[plan.singles :]):
        fault = names[number % len(names)]
        rng = (seed, number)
        jobs.append(partial(_spoilt, person, people[-1], fault, plan, out, rng))
    rows: list[Row] = []
    for done, made in enumerate(_all(jobs, workers), 1):
        rows += made
        progress(done, len(jobs), "filming a collection")
    rows += _copies(plan, people[: plan.people], out)
    _write(rows, out / TRUTH)
    return rows


def _all(jobs: list[Callable[[], list[Row]]], workers: int) -> Iterator[list[Row]]:
    if workers == 1:
        yield from (job() for job in jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(_run, jobs, chunksize=4)


def _run(job: Callable[[], list[Row]]) -> list[Row]:
    return job()


def _person(person: Person, plan: Plan, out: Path) -> list[Row]:
    """Film a person in scenes of which two differ most, plainly."""
    take = partial(take_of, person, seconds=plan.seconds, size=plan.size)
    takes = [take(scene) for scene in range(plan.scenes)]
    spare = plan.scenes
    while (lowest := _lowest(takes)) is None:
        takes[-1] = take(spare)
        spare += 1
    return [
        _keep(taken.clip, f"{person.identity}_{k}.mp4", taken, out, lowest=k in lowest)
        for k, taken in enumerate(takes)
    ]


def _lowest(takes: list[Take]) -> tuple[int, int] | None:
    """Find the pair of the lowest true background PSNR; None where another is nearly as low."""
    pairs = list(combinations(range(len(takes)), 2))
    values = {pair: true_psnr(takes[pair[0]], takes[pair[1]]) for pair in pairs}
    first, *others = sorted(pairs, key=lambda pair: values[pair])
    return None if others and values[others[0]] - values[first] < MARGIN else first


def true_psnr(one: Take, other: Take) -> float:
    """PSNR in dB of two takes' true scenes, where neither person ever is."""
    where = ~(one.truth.mask.any(0) | other.truth.mask.any(0))
    error = ((one.background[where].astype(float) - other.background[where]) ** 2).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _single(person: Person, plan: Plan, out: Path) -> list[Row]:
    taken = take_of(person, 0, plan.seconds, plan.size)
    return [_keep(taken.clip, f"{person.identity}_0.mp4", taken, out)]


def _spoilt(
    person: Person, other: Person, fault: str, plan: Plan, out: Path, rng: tuple[int, int]
) -> list[Row]:
    taken = take_of(person, 0, plan.seconds, plan.size)
    name = f"{person.identity}_{fault.replace(' ', '_')}.mp4"
    path = out / CLIPS / name
    spoil = FAULTS[fault]
    if spoil is None:
        row = _keep(taken.clip, name, taken, out, fault=fault)
        data = path.read_bytes()
        path.write_bytes(b"no film" * 100 if fault == "no film" else data[: len(data) * 3 // 5])
        return [row]
    beside = take_of(other, 0, plan.seconds, plan.size)
    spoilt = spoil(taken, beside, np.random.default_rng([*rng, 0xC0]))
    return [_keep(spoilt, name, taken, out, fault=fault)]


def _copies(plan: Plan, people: list[Person], out: Path) -> list[Row]:
    """Copy good clips, which then are there twice."""
    rows = []
    for number in range(plan.faulty * len(COPIES)):
        person, fault = people[number % len(people)], COPIES[number % len(COPIES)]
        taken = take_of(person, 0, plan.seconds, plan.size)
        good = out / CLIPS / f"{person.identity}_0.mp4"
        name = f"{person.identity}_{fault}_{number}.mp4"
        if fault == "twin":
            (out / CLIPS / name).write_bytes(good.read_bytes())
            rows.append(_row(name, taken, fault=fault))
        else:
            rows.append(_keep(reencode(taken.clip, 24), name, taken, out, fault=fault))
    return rows


def _keep(
    clip: Clip, name: str, take: Take, out: Path, *, fault: str = "", lowest: bool = False
) -> Row:
    encode(clip, out / CLIPS / name)
    return _row(name, take, fault=fault, lowest=lowest)


def _row(name: str, take: Take, *, fault: str, lowest: bool = False) -> Row:
    return Row(
        path=f"{CLIPS}/{name}",
        identity=take.truth.identity,
        scene=str(take.clip.scene),
        fault=fault,
        lowest=lowest,
    )


def _write(rows: list[Row], path: Path) -> None:
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
