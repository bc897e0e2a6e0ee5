"""Whose manner is it: on drawn people, whose manner is known."""

from dataclasses import replace

import numpy as np
import pytest
from test_motion import talking

from likeness.rewards.landmarks import Layout
from likeness.rewards.manner import (
    FEATURES,
    MannerScale,
    manner,
    manner_distance,
    rank_of_own,
)
from likeness.rewards.movement import Movement, measure
from likeness.testbed.cast import cast, take_of
from likeness.testbed.person import Person
from likeness.testbed.take import LANDMARKS

LAYOUT = Layout.of_names(list(LANDMARKS))
PEOPLE = 24


def of(person: Person, scene: int, seconds: float = 4.0) -> np.ndarray:
    """Manner of a take by its true landmarks."""
    take = take_of(person, scene, seconds, size=32)
    return manner(measure(take.truth.landmarks.astype(float), LAYOUT, take.clip))


@pytest.fixture(scope="module")
def scale() -> MannerScale:
    return MannerScale.fit(np.array([[of(p, s) for s in (0, 1)] for p in cast("tune", PEOPLE)]))


@pytest.fixture(scope="module")
def gallery() -> np.ndarray:
    return np.array([of(person, 1) for person in cast("heldout", PEOPLE)])


def test_people_are_found_by_their_manner_in_another_scene(scale, gallery):
    ranks = rank_of_own(np.array([of(p, 0) for p in cast("heldout", PEOPLE)]), gallery, scale)
    assert float((ranks == 1).mean()) > 0.3  # chance is 1 in 24
    assert float(ranks.mean()) < 5  # chance is 12.5


def test_it_is_the_manner_and_not_the_face(scale, gallery):
    """On the next one's face, a manner is still its owner's."""
    people = cast("heldout", PEOPLE)
    faces = [*people[1:], people[0]]
    swapped = np.array(
        [of(replace(f, manner=p.manner), 5) for p, f in zip(people, faces, strict=True)]
    )
    owners = rank_of_own(swapped, gallery, scale)
    wearers = rank_of_own(np.roll(swapped, 1, axis=0), gallery, scale)
    assert float(owners.mean()) < 5
    assert float(wearers.mean()) > 8


def changed(**parts: np.ndarray) -> np.ndarray:
    movement = talking(200)
    return manner(replace(movement, **parts)) - manner(movement)


def test_features_say_what_changed():
    movement: Movement = talking(200)
    named = {name: i for i, name in enumerate(FEATURES)}
    assert len(manner(movement)) == len(FEATURES)
    bigger = changed(mouth=2 * movement.mouth)
    assert bigger[named["amount of mouth"]] == pytest.approx(np.log(2), abs=0.03)
    assert bigger[named["mouth to loudness"]] == pytest.approx(np.log(2), abs=0.03)
    assert np.abs(bigger).sum() == pytest.approx(2 * np.log(2), abs=0.06)
    leaning = changed(head=movement.head + np.array([3.0, -2.0, 0.1]))
    assert leaning[named["tilt"]] == pytest.approx(0.1)
    assert np.abs(np.delete(leaning, named["tilt"])).max() < 1e-6
    awake = changed(eyes=np.full(200, 0.3))
    assert awake[named["blinks"]] < -1
    assert awake[named["length of blinks"]] < -1


def test_the_distance_is_none_to_itself_and_leaves_out_what_cannot_be_told():
    scale = MannerScale(within=(1.0, 2.0, 1.0), between=(1.0, 2.0, 0.0))
    a, b = np.array([0.0, 0.0, 0.0]), np.array([1.0, 4.0, 100.0])
    assert manner_distance(a, a, scale) == 0
    # Gaps of 1 and 2 deviations, weighted alike; the third tells nobody apart.
    assert manner_distance(a, b, scale) == pytest.approx(np.sqrt((1 + 4) / 2))
    assert manner_distance(a, np.array([1.0, np.nan, 5.0]), scale) == pytest.approx(1)
    assert np.isnan(manner_distance(a, np.full(3, np.nan), scale))


def test_a_scale_tells_differences_between_people_from_those_within():
    rng = np.random.default_rng(0)
    people = rng.normal(0, [2.0, 0.0], (400, 1, 2))
    scale = MannerScale.fit(people + rng.normal(0, [0.5, 1.0], (400, 3, 2)))
    assert scale.within == pytest.approx((0.5, 1.0), rel=0.1)
    assert scale.between[0] == pytest.approx(2, rel=0.1)
    assert scale.between[1] < 0.2
    with pytest.raises(ValueError, match="2 people in 2 takes each, got 1 in 3"):
        MannerScale.fit(np.zeros((1, 3, 2)))


def test_ranks_count_ties_by_half():
    scale = MannerScale(within=(1.0,), between=(1.0,))
    gallery = np.array([[0.0], [1.0], [1.0]])
    ranks = rank_of_own(np.array([[0.1], [1.0], [0.0]]), gallery, scale)
    assert ranks.tolist() == [1.0, 1.5, 2.5]
    assert np.isnan(rank_of_own(np.full((3, 1), np.nan), gallery, scale)).all()
