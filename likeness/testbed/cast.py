"""Who is in which split, and the takes of each."""

import numpy as np

from likeness.store.errors import LikenessError
from likeness.testbed.person import Person, draw_person
from likeness.testbed.render import render
from likeness.testbed.scene import draw_scene
from likeness.testbed.speech import synthesise
from likeness.testbed.take import Take

SPLITS: dict[str, range] = {
    "train": range(0, 4000),
    "tune": range(4000, 5000),
    "heldout": range(5000, 6000),
    "spare": range(6000, 10_000),
}
"""Seeds of the people of each split; no person is in two."""

_SCENES_A_PERSON = 1000


class CastError(LikenessError):
    """More people asked for than a split has, or a split that is not there."""


def cast(split: str, people: int) -> list[Person]:
    """Return the first people of a split.

    Raises CastError where the split is unknown or has fewer people.
    """
    if split not in SPLITS:
        raise CastError(f"testbed: no split {split!r}; there are {', '.join(SPLITS)}")
    seeds = SPLITS[split]
    if not 0 <= people <= len(seeds):
        raise CastError(f"testbed: split {split} has {len(seeds)} people, {people} asked for")
    return [draw_person(seed) for seed in seeds[:people]]


def take_of(person: Person, scene_index: int, seconds: float, size: int = 64) -> Take:
    """Return one take of a person: own scene, words and motion for each scene_index.

    Deterministic: the same arguments give the same bytes. seconds rounds to
    whole frames at 25 fps.
    """
    key = [person.seed, scene_index]
    scene = draw_scene(person.seed * _SCENES_A_PERSON + scene_index)
    speech = synthesise(seconds, person.voice, np.random.default_rng([*key, 0x5B]))
    return render(person, scene, speech, size=size, rng=np.random.default_rng([*key, 0x30]))
