import math

import numpy as np
import pytest
from scores import score

from likeness.benchmark.identification import identify, rank1
from likeness.benchmark.systems import SYSTEMS
from likeness.rewards.identity import Portrait


def rows(centre: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    noisy = centre + rng.normal(0, 0.1, (count, len(centre)))
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    return {f"p{i}": np.eye(8)[i] for i in range(6)}, rng


@pytest.fixture
def gallery(people):
    centres, rng = people
    return {name: rows(centre, 20, rng) for name, centre in centres.items()}


def test_everybody_is_recognised_and_chance_is_one_in_the_gallery(people, gallery):
    centres, rng = people
    for name, centre in centres.items():
        found = identify(rows(centre, 25, rng), name, gallery)
        assert (found.best, found.rank, found.chance) == (name, 1, 1 / 6)


def test_a_stranger_is_not_recognised(people, gallery):
    centres, rng = people
    found = identify(rows(centres["p1"], 25, rng), "p2", gallery)
    assert found.best == "p1"
    assert found.rank > 1


def test_a_clip_like_everybody_is_not_recognised():
    same = np.ones((5, 1))
    found = identify(same, "a", {"a": same, "b": same, "c": same})
    assert found.rank == 3


def test_rank1_is_a_score_of_the_same_clip(people, gallery):
    centres, rng = people
    portrait = Portrait(embeddings=rows(centres["p3"], 25, rng), coverage=1.0, complaint=None)
    like = score("identity_ref", 0.8, clip="abc")
    right, wrong = rank1(portrait, "p3", gallery, like), rank1(portrait, "p4", gallery, like)
    assert (right.value, wrong.value) == (1.0, 0.0)
    assert (right.clip, right.reward, right.weights) == ("abc", "rank1", "w1")


def test_a_clip_without_a_face_is_missing_not_wrong(gallery):
    portrait = Portrait(embeddings=np.zeros((0, 8)), coverage=0.0, complaint="no face at all")
    found = rank1(portrait, "p0", gallery, score("identity_ref", math.nan))
    assert math.isnan(found.value)
    assert found.reason == "no face at all"


def test_people_outside_the_gallery_are_an_error(gallery):
    with pytest.raises(ValueError, match="not among the 6 people"):
        identify(np.eye(8)[:1], "somebody", gallery)


def test_controls_are_told_from_checkpoints():
    plain = {name for name, system in SYSTEMS.items() if not system.control}
    assert plain == {"base", "aligned", "shuffled_pairs"}
    assert all(name == system.name for name, system in SYSTEMS.items())
