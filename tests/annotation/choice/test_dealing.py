"""Overlap, queues, sides, and campaigns as rows."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from asking import some_candidates, some_known
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.annotation.choice.candidates import ChoiceError
from likeness.annotation.choice.dealing import BLOCK, GAP, Shares, overlapping, queue, sides
from likeness.annotation.choice.known import feedback, gold, read_known, training
from likeness.annotation.choice.planning import Asked, Planned, Settings, plan
from likeness.annotation.choice.policies import Evidence
from likeness.store.judgements import Campaign

RATERS = ("ada", "bob", "eve", "joe")
SETTINGS = Settings(pairs=60, overlap=3, shares=Shares(gold=0.15, repeats=0.1, training=6), seed=7)


def planned(settings: Settings = SETTINGS, name: str = "spring") -> Planned:
    asked = Asked(
        candidates=some_candidates(150), evidence=Evidence(), known=some_known(30), raters=RATERS
    )
    campaign = Campaign(id=name, layout="pairwise-1", dimensions=("overall",), plan={})
    return plan(campaign, settings, asked)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 2**32))
def test_each_clip_stands_left_exactly_half_the_time_in_every_block(views, seed):
    drawn = sides(views, np.random.default_rng(seed))
    assert len(drawn) == views
    for start in range(0, views, BLOCK):
        block = drawn[start : start + BLOCK]
        assert abs(block.count("first") - block.count("second")) == len(block) % 2


@settings(deadline=None)
@given(st.integers(1, 80), st.integers(1, 6), st.data())
def test_each_question_has_its_overlap_and_loads_are_even(questions, raters, data):
    overlap = data.draw(st.integers(1, raters))
    dealt = overlapping(questions, raters, overlap, np.random.default_rng(0))
    assert all(len(set(mine)) == len(mine) for mine in dealt)
    assert Counter(q for mine in dealt for q in mine) == dict.fromkeys(range(questions), overlap)
    loads = [len(mine) for mine in dealt]
    assert max(loads) - min(loads) <= 1


def test_a_queue_trains_first_and_repeats_late():
    shares = Shares(gold=0.2, repeats=0.1, training=5)
    mine = queue(range(70), 40, shares, np.random.default_rng(0))
    kinds = Counter(kind for kind, _ in mine)
    assert kinds == {"training": 5, "question": 70, "gold": 20, "repeat": 10}
    assert all(kind == "training" for kind, _ in mine[:5])
    assert len({view for view in mine if view[0] != "training"}) == 100
    at = {view: place for place, view in enumerate(mine)}
    for kind, number in mine:
        if kind == "repeat":
            assert at["repeat", number] >= at["question", number] + GAP
        if kind == "gold":
            assert number >= 5  # nobody is checked on what they were trained on


def test_too_few_known_pairs_are_refused():
    with pytest.raises(ChoiceError, match="5 known pairs to train on and 20 mixed in, and 12"):
        queue(range(70), 12, Shares(gold=0.2, repeats=0.1, training=5), np.random.default_rng(0))


def test_a_campaign_is_the_same_each_time_and_another_by_seed_and_name():
    one, two = planned(), planned()
    assert [c.id for c in one.comparisons] == [c.id for c in two.comparisons]
    drop = {"created"}
    views = [
        [{k: v for k, v in a.to_dict().items() if k not in drop} for a in p.assignments]
        for p in (one, two)
    ]
    assert views[0] == views[1]
    assert one.campaign.plan == two.campaign.plan
    for other in (planned(replace(SETTINGS, seed=8)), planned(name="summer")):
        assert not {a.id for a in one.assignments} & {a.id for a in other.assignments}
        assert other.campaign.plan["rows"] != one.campaign.plan["rows"]


def test_a_campaign_holds_what_was_asked_for():
    rows = planned()
    by_id = {c.id: c for c in rows.comparisons}
    questions = [c for c in rows.comparisons if c.kind == "question"]
    assert len(questions) == 60
    assert all(c.chance == pytest.approx(60 / 150) for c in questions)
    views = Counter(by_id[a.comparison].kind for a in rows.assignments)
    assert views["question"] == 180 and views["training"] == 24
    total = sum(views.values()) - views["training"]
    assert views["gold"] / total == pytest.approx(0.15, abs=0.02)
    assert views["repeat"] / total == pytest.approx(0.1, abs=0.02)
    keys = [k for a in rows.assignments for k in (a.id, a.media, a.reference)]
    assert len(set(keys)) == len(keys) and all(len(k) == 32 for k in keys)
    for rater in RATERS:
        mine = [a for a in rows.assignments if a.rater == rater]
        assert [a.place for a in mine] == list(range(len(mine)))
        whole = len(mine) // BLOCK * BLOCK
        assert [a.left for a in mine[:whole]].count("first") == whole // 2
    repeats = {
        (a.rater, by_id[a.comparison].first)
        for a in rows.assignments
        if by_id[a.comparison].kind == "repeat"
    }
    asked = {
        (a.rater, c.first) for a in rows.assignments if (c := by_id[a.comparison]) in questions
    }
    assert repeats <= asked


def test_rare_pairs_keep_a_small_chance():
    rows = planned(replace(SETTINGS, policy="information"))
    questions = [c for c in rows.comparisons if c.kind == "question"]
    assert all(0.2 * 60 / 150 <= c.chance <= 1 for c in questions)


def test_the_order_of_a_known_pair_says_nothing():
    found = [training(pair, "spring") for pair in some_known(200)]
    assert 70 < sum(c.first == "true" for c in found) < 130
    for one in found:
        assert (one.expected["overall"] == "first") == (one.first == "true")
    checked = gold(some_known(1)[0], "spring", 0.4)
    assert (checked.kind, checked.chance, checked.first) == ("gold", 0.4, found[0].first)


def test_feedback_says_which_side_was_better_and_why():
    (pair,) = some_known(1)
    asked = training(pair, "spring")
    left = "first" if asked.first == "true" else "second"
    told = feedback(asked, left, "left", "overall", pair.why)
    assert told == "overall: Right; the left one is better. Of the other, it is blurred."
    told = feedback(asked, left, "both_bad", "overall", pair.why)
    assert told.startswith("overall: You said both bad; the left one is better.")
    assert "no known answer" in feedback(asked, left, "left", "lip_sync", pair.why)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["c,a,a,overall,blurred"], "row 1 compares a clip with itself"),
        (["c,a,b,overall,"], "row 1 has no why"),
        (["c,a,b,identity,another face"], "no pair is known in any of overall"),
    ],
)
def test_bad_tables_of_known_pairs_are_told_in_one_line(tmp_path, rows, expected):
    path = tmp_path / "known.csv"
    path.write_text("\n".join(["condition,better,worse,dimensions,why", *rows]) + "\n")
    with pytest.raises(ChoiceError, match=expected):
        read_known(path, ("overall",))


def test_raters_are_named_once_and_enough():
    asked = Asked(
        candidates=some_candidates(10), evidence=Evidence(), known=(), raters=("ada", "ada")
    )
    campaign = Campaign(id="x", layout="l", dimensions=("overall",), plan={})
    with pytest.raises(ChoiceError, match="named twice"):
        plan(campaign, Settings(pairs=3), asked)
    with pytest.raises(ChoiceError, match="overlap of 3"):
        plan(campaign, Settings(pairs=3), replace(asked, raters=("ada", "bob")))
