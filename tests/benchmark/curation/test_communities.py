import numpy as np
import pytest

from likeness.benchmark.curation.people import group, named


def units(rows) -> np.ndarray:
    rows = np.asarray(rows, float)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def crowd(people: int, each: int, spread: float, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Clips about the directions of people, which are at right angles."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.eye(people, 64), each, axis=0)
    rows = rows + rng.normal(0, spread / 8, rows.shape)
    return units(rows), np.repeat(np.arange(people), each).tolist()


def test_people_are_told_apart():
    rows, who = crowd(12, 5, 0.5)
    assert group(rows, 0.5).tolist() == who


def test_the_order_of_the_clips_changes_nobody():
    rows, who = crowd(8, 4, 0.5)
    order = np.random.default_rng(1).permutation(len(rows))
    found = group(rows[order], 0.5)
    same = found[:, None] == found[None]
    mixed = np.array(who)[order]
    assert (same == (mixed[:, None] == mixed[None])).all()


@pytest.mark.parametrize("people", [2, 40])
def test_a_chain_of_one_false_link_joins_nobody(people):
    """Single link would: a clip of one looks like a clip of the other."""
    rows, who = crowd(people, 4, 0.1)
    rows[3] = units([0.82 * rows[0] + 0.57 * rows[4]])[0]
    assert rows[3] @ rows[4] > 0.5
    assert group(rows, 0.5).tolist() == who


def test_two_links_between_two_alike_leave_both_with_the_better():
    one, between, other = [1.0, 0.0], [1.0, 0.8], [0.0, 1.0]
    found = group(units([one, one, one, between, other, other, other]), 0.6)
    assert found.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_strangers_stay_alone():
    assert group(np.eye(5), 0.5).tolist() == [0, 1, 2, 3, 4]
    assert group(np.zeros((0, 4)), 0.5).tolist() == []


def test_two_names_are_never_linked_and_a_name_alone_links_nobody():
    rows = units([[1, 0, 0], [1, 0.1, 0], [0, 0, 1]])
    told = ["ann", "bea", "ann"]
    found = group(rows, 0.5, told).tolist()
    assert found == [0, 1, 2]
    assert named(found, told, ["a", "b", "c"]) == ["ann", "bea", "like c"]


def test_people_are_called_as_told_or_after_their_first_clip():
    assert named([0, 0, 1], [None, "ann", None], ["a", "b", "c"]) == ["ann", "ann", "like c"]
