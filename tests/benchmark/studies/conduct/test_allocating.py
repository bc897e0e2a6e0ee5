from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.benchmark.studies.conduct.allocation import deal, seen_by, sides, williams
from likeness.benchmark.studies.plan import Entry, StudyPlan

EXTRAS = {"training": ["t1", "t2"], "check": ["c1", "c2", "c3"], "trap": ["p1"]}


def plan(kind: str, cases: int, systems: int, **changes) -> StudyPlan:
    names = ["real", *(f"s{n}" for n in range(systems))]
    clips = tuple(
        Entry(case=f"c{c:02}", system=name, file=f"{c}{name}", real=name == "real")
        for c in range(cases)
        for name in names
    )
    given = {"name": "n", "kind": kind, "clips": clips, "dimensions": ("overall",)}
    return StudyPlan(**{**given, **changes})


@pytest.mark.parametrize("size", [2, 3, 4, 7, 8, 13])
def test_orders_balance_places_and_neighbours(size):
    rows = williams(size)
    assert (np.sort(rows, axis=1) == np.arange(size)).all()
    for column in rows.T:
        assert set(Counter(column.tolist()).values()) == {len(rows) // size}
    pairs = Counter(zip(rows[:, :-1].ravel().tolist(), rows[:, 1:].ravel().tolist(), strict=True))
    assert len(pairs) == size * (size - 1)
    assert set(pairs.values()) == {len(rows) // size}


@settings(max_examples=60, deadline=None)
@given(
    raters=st.integers(1, 20),
    cases=st.integers(1, 9),
    systems=st.integers(1, 4),
    part=st.floats(0.1, 1),
    seed=st.integers(0, 99),
)
def test_every_case_is_seen_equally_often_and_no_real_clip_twice(
    raters, cases, systems, part, seed
):
    each = max(1, round(part * cases))
    given = plan("turing", cases, systems, raters=raters, cases_each=each, seed=seed)
    dealt = seen_by(given, np.random.default_rng(seed))
    assert [len({case for case, _ in mine}) for mine in dealt] == [each] * raters
    seen = Counter(case for mine in dealt for case, _ in mine)
    counts = [seen[f"c{c:02}"] for c in range(cases)]
    assert max(counts) - min(counts) <= 1


def test_systems_go_over_raters_and_cases_in_a_latin_square():
    dealt = seen_by(plan("turing", 6, 3, raters=9), np.random.default_rng(0))
    seen = Counter(item for mine in dealt for item in mine)
    assert len(seen) == 18 and set(seen.values()) == {3}
    assert all(Counter(s for _, s in mine) == {"s0": 2, "s1": 2, "s2": 2} for mine in dealt)


def test_sides_are_balanced_for_raters_and_for_items():
    dealt = seen_by(plan("turing", 8, 1, raters=6), np.random.default_rng(1))
    drawn = sides(dealt, np.random.default_rng(2))
    assert all(mine.count("left") == 4 for mine in drawn)
    left = Counter(
        item
        for mine, places in zip(dealt, drawn, strict=True)
        for item, side in zip(mine, places, strict=True)
        if side == "left"
    )
    assert set(left.values()) == {3}


def test_a_queue_has_training_first_and_the_rest_spread_over_it():
    given = plan("rating", 10, 1, raters=5, training=2, checks=2, traps=1, repeats=3)
    for queue in deal(given, EXTRAS):
        purposes = [trial.purpose for trial in queue]
        assert purposes[:2] == ["training", "training"]
        assert Counter(purposes) == {
            "training": 2, "item": 20, "repeat": 3, "check": 2, "trap": 1,
        }  # fmt: skip
        watched = [n for n, p in enumerate(purposes) if p in ("check", "trap")]
        assert watched[-1] - watched[0] > len(queue) / 4
        for n, trial in enumerate(queue):
            if trial.purpose == "repeat":
                first = next(m for m, t in enumerate(queue) if t.item == trial.item)
                assert n > first and queue[first].purpose == "item"


def test_the_same_seed_deals_the_same_but_never_the_same_name_twice():
    given = plan("turing", 5, 2, raters=4, repeats=2)
    queues = deal(given, EXTRAS)
    assert queues == deal(given, EXTRAS)
    assert queues != deal(replace(given, seed=1), EXTRAS)
    names = [trial.key for queue in queues for trial in queue]
    assert len(set(names)) == len(names)
