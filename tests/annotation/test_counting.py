"""Which votes count, whose weigh, and what goes to reviewers."""

from dataclasses import replace

import numpy as np
from asking import answers, some_candidates, some_known

from likeness.annotation.choice.dealing import Shares
from likeness.annotation.choice.planning import Asked, Settings, plan
from likeness.annotation.choice.policies import Evidence
from likeness.annotation.judgements import counting
from likeness.annotation.people.adjudication import adjudicate, disputed
from likeness.annotation.people.standing import trusted
from likeness.annotation.weights.contests import contests
from likeness.store.judgements import Campaign, Rater

NAMES = ("ada", "bob", "eve")
PLANNED = plan(
    Campaign(id="spring", layout="l", dimensions=("overall", "identity"), plan={}),
    Settings(pairs=12, overlap=3, shares=Shares(gold=0.1, repeats=0.1), seed=1),
    Asked(candidates=some_candidates(20), evidence=Evidence(), known=some_known(5), raters=NAMES),
)
RATERS = {name: Rater(id=name) for name in NAMES}


def votes_by(said):
    return answers(PLANNED.assignments, PLANNED.comparisons, ("overall",), said)


def judged(votes):
    return counting(votes, PLANNED.assignments, PLANNED.comparisons)


def test_sides_are_taken_out_again():
    found = judged(votes_by(lambda view, asked: "first"))
    assert not found.left_out
    assert {one.said for one in found.judgements} == {"first"}
    assert {one.shown for one in found.judgements} == {"left", "right"}
    assert len(found.judgements) == len(PLANNED.assignments)


def test_the_newest_counts_and_what_does_not_says_why():
    votes = votes_by(lambda view, asked: "first")
    changed = [
        replace(votes[0], choice="tie"),
        replace(votes[1], choice=None),
        replace(votes[2], reason="the sample was withdrawn"),
        replace(votes[3], rater="stranger"),
        replace(votes[4], assignment="nowhere"),
    ]
    found = judged([*votes, *changed])
    assert found.left_out == {
        "superseded by a newer vote": 3,
        "withdrawn": 1,
        "the sample was withdrawn": 1,
        "given by another than the view was dealt to": 1,
        "of a view that is not known here": 1,
    }
    assert len(found.judgements) == len(votes) - 2
    assert [one.shown for one in found.judgements].count("tie") == 1


def test_suspended_raters_weigh_nothing_until_they_are_reinstated():
    found = judged(votes_by(lambda view, asked: "first")).judgements
    gone = RATERS | {"bob": replace(RATERS["bob"], standing="suspended")}
    kept = trusted(found, gone)
    assert {one.rater for one in kept} == {"ada", "eve"}
    assert trusted(found, RATERS) == found
    assert trusted(found, {}) == ()


def test_disputes_go_to_reviewers_who_have_not_judged_them():
    found = judged(
        votes_by(lambda view, asked: "second" if view.rater == "eve" else "first")
    ).judgements
    questions = disputed(found)
    assert len(questions) == 12
    staff = RATERS | {
        "rev": Rater(id="rev", role="reviewer"),
        "out": Rater(id="out", role="reviewer", standing="suspended"),
        "ada": Rater(id="ada", role="reviewer"),
    }
    reviews = adjudicate(found, PLANNED.assignments, staff)
    assert {view.rater for view in reviews.assignments} == {"rev"}
    assert [one.kind for one in reviews.comparisons] == ["review"] * len(questions)
    assert all(not one.expected for one in reviews.comparisons)
    again = adjudicate(found, [*PLANNED.assignments, *reviews.assignments], staff)
    assert again.assignments == () and again.comparisons == reviews.comparisons
    same = adjudicate(found, PLANNED.assignments, staff)
    assert [v.id for v in same.assignments] == [v.id for v in reviews.assignments]
    alone = adjudicate(found, PLANNED.assignments, RATERS)
    assert alone.without == tuple(one.id for one in questions)


def test_votes_become_contests_of_checkpoints():
    found = judged(votes_by(lambda view, asked: "first")).judgements
    pairs = {c.samples for c in PLANNED.comparisons if c.kind == "question"}
    makers = {
        side.sample: side.checkpoint
        for pair in some_candidates(20)
        for side in (pair.first, pair.second)
    }
    duels = contests(found, makers)
    assert duels is not None and len(duels.left) == 3 * len(pairs)
    assert duels.systems == ("base", "best", "better")
    assert duels.items is not None and len(np.unique(duels.items)) == len(pairs)
    wins = duels.counts()
    # the first is always the one that comes earlier in (base, better, best)
    assert wins[0, 1, 0] + wins[1, 0, 1] > 0 == wins[0, 1, 1] + wins[1, 0, 0]
    assert contests(found, {}) is None
