"""Told in whatever order, in whatever parcels, how often ever: the same votes stand."""

from dataclasses import replace

import pytest
import sqlalchemy as sa
from dealt import Asked, address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from likeness.annotation.inbox.keeping import dealt_of, differing, keep, names_told, reread
from likeness.annotation.inbox.reading import SKIPPED, WITHDRAWN, standing
from likeness.annotation.inbox.telling import gone
from likeness.store import judging, tables
from likeness.store.judgements import Delivery, Rater, Vote
from likeness.store.workspace import Workspace


def votes(workspace: Workspace) -> dict[tuple[str, str, str], tuple[str | None, str | None]]:
    with workspace.reading() as connection:
        return {
            (v.assignment, v.rater, v.dimension): (v.choice, v.reason)
            for v in judging.current_votes(connection)
        }


def alone(workspace: Workspace, dimension: str = "identity") -> Vote:
    with workspace.reading() as connection:
        (found,) = [v for v in judging.current_votes(connection) if v.dimension == dimension]
    return found


def whole(workspace: Workspace) -> None:
    with workspace.reading() as connection:
        assert judging.verify_chain(connection) is None
        assert differing(connection, names_told(connection)) == []


def test_an_answer_becomes_votes(asked):
    said = {
        "identity": "left",
        "overall": "both_bad",
        "strength": "clearly",
        "flags": ["right:audio", "left:artefact"],
        "comment": "half a syllable late",
        "watched": "both",
    }
    kept = keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, said)])
    assert (kept.told, kept.fresh, kept.votes, kept.uncounted) == (1, 1, 2, 0)
    vote = alone(asked.workspace)
    (delivery,) = asked.workspace.find(Delivery)
    assert (vote.choice, vote.strength, vote.seconds) == ("left", 2, 3.5)
    assert vote.flags == ("left:artefact", "right:audio")
    assert vote.comment == "half a syllable late"
    assert vote.delivery == delivery.id
    assert vote.created == "2026-01-01T00:00:05.000001+00:00"
    assert alone(asked.workspace, "overall").choice == "both_bad"
    whole(asked.workspace)


def test_an_edit_supersedes_whenever_it_comes(asked):
    first = asked.tell(1, asked.keys[0], 5, {"identity": "left", "overall": "tie"})
    edited = asked.tell(1, asked.keys[0], 9, {"identity": "right"})
    keep(asked.workspace, [edited])
    assert keep(asked.workspace, [first, first]).votes == 0
    assert votes(asked.workspace) == {(asked.keys[0], "rater0", "identity"): ("right", None)}
    assert len(asked.workspace.find(Delivery)) == 2
    whole(asked.workspace)


def test_what_was_said_before_stands_again(asked):
    key = asked.keys[0]
    first, second = (
        asked.tell(1, key, 5, {"identity": "left"}),
        asked.tell(2, key, 6, {"identity": "right"}),
    )
    for delivery in (first, second):
        keep(asked.workspace, [delivery])
    assert alone(asked.workspace).choice == "right"
    keep(asked.workspace, [gone(second, "sync")])
    assert alone(asked.workspace).choice == "left"
    assert alone(asked.workspace).created > second.updated
    keep(asked.workspace, [gone(first, "sync")])
    assert votes(asked.workspace)[key, "rater0", "identity"] == (None, WITHDRAWN)
    assert [v.choice for v in asked.workspace.find(Vote)] == ["left", "right", "left", None]
    whole(asked.workspace)


def test_skipping_takes_a_vote_back(asked):
    keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, {"identity": "left"})])
    keep(asked.workspace, [asked.tell(1, asked.keys[0], 6, {}, was_cancelled=True)])
    assert set(votes(asked.workspace).values()) == {(None, SKIPPED)}


@pytest.mark.parametrize(
    ("changes", "key", "rater", "reason"),
    [
        ({"user": 99}, 0, "user 99 of local", "given by a stranger"),
        ({"user": 1}, 0, "admin@likeness.local", "is the account of no rater"),
        ({"user": 3}, 0, "rater1", "given by rater1, but it was dealt to rater0"),
        ({"updated_by": 1}, 0, "rater0", "changed by admin@likeness.local, who isn't its rater"),
        ({"user": 2}, "nowhere", "rater0", "nobody knows the key"),
        ({"user": 2}, "", "rater0", "nobody knows the key"),
        ({"user": 2}, "k" * 300, "rater0", "nobody knows the key"),
    ],
)
def test_what_cannot_count_is_kept_with_the_reason(asked, changes, key, rater, reason):
    key = asked.keys[key] if isinstance(key, int) else key
    kept = keep(asked.workspace, [asked.tell(1, key, 5, {"identity": "left"}, **changes)])
    assert kept.uncounted == 1
    vote = alone(asked.workspace)
    assert (vote.choice, vote.rater) == ("left", rater)
    assert vote.reason is not None
    assert reason in vote.reason
    whole(asked.workspace)


def test_answers_of_an_edited_layout_are_read_as_far_as_they_can_be(asked):
    said = {"identity": "leftmost", "overall": ["left", "right"], "novel": "left"}
    keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, said)])
    found = {dimension: told for (_, _, dimension), told in votes(asked.workspace).items()}
    assert found["identity"] == (
        None,
        "its answer 'leftmost' is none of left, right, tie, both_bad",
    )
    assert found["overall"] == (None, "has several answers: left, right")
    assert set(found) == {"identity", "overall"}


def test_a_vote_on_a_forgotten_clip_says_so(asked):
    asked.workspace.forget("p0")
    keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, {"identity": "left"})])
    assert "of a clip that was forgotten: 000" in str(alone(asked.workspace).reason)


def test_a_stranger_who_becomes_known_is_counted(asked):
    asked.accounts[7] = "new@raters.example"
    keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, {"identity": "left"}, user=7)])
    assert reread(asked.workspace).votes == 0
    with asked.workspace.transaction() as connection:
        judging.append_raters(connection, [Rater(id="rater0", account="NEW@raters.example")])
    assert reread(asked.workspace).votes == 2
    assert votes(asked.workspace)[asked.keys[0], "rater0", "identity"] == ("left", None)
    assert reread(asked.workspace).votes == 0
    whole(asked.workspace)


def test_odd_characters_do_not_stop_it(any_workspace, ask):
    asked = ask(any_workspace)
    said = {"identity": "left", "comment": "nul \x00 and half \ud83d of one"}
    keep(any_workspace, [asked.tell(1, asked.keys[0], 5, said, lead_time=float("nan"))])
    vote = alone(any_workspace)
    assert (vote.comment, vote.seconds) == ("nul � and half ? of one", None)


def test_all_or_nothing(asked, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(judging, "append_audit", stop)
    with pytest.raises(KeyboardInterrupt):
        keep(asked.workspace, [asked.tell(1, asked.keys[0], 5, {"identity": "left"})])
    assert asked.workspace.find(Delivery) == asked.workspace.find(Vote) == []


ANSWERS = st.dictionaries(
    st.sampled_from(["identity", "overall"]), st.sampled_from(["left", "right", "tie"])
)
HISTORY = st.lists(
    st.tuples(
        st.integers(1, 4),  # annotation
        st.integers(0, 3),  # key
        st.integers(1, 5),  # changed
        ANSWERS,
        st.sampled_from([None, None, None, 3, 99]),  # who
        st.booleans(),  # deleted
    ),
    max_size=12,
)


@given(history=HISTORY, chance=st.randoms(use_true_random=False))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_order_and_the_parcels_make_no_difference(fresh, history, chance):
    with fresh() as workspace:
        asked = Asked(workspace)
        told = []
        for annotation, key, changed, said, user, deleted in history:
            whose = asked.keys[(annotation + key) % 2]
            each = asked.tell(annotation, whose, changed, said, user=user)
            told.append(gone(each, "sync") if deleted else each)
        chance.shuffle(told)
        while told:
            size = chance.randint(1, len(told))
            keep(workspace, told[:size])
            if chance.random() < 0.5:
                keep(workspace, [replace(each, way="reconcile") for each in told[:size]])
            told = told[size:]
        kept = workspace.find(Delivery)
        assert len({each.id for each in kept}) == len(kept)
        raters = {name: {address(name)} for name in asked.raters}
        expected = {}
        for key in asked.keys:
            with workspace.reading() as connection:
                dealt = dealt_of(connection, [key])
            of_key = sorted((d for d in kept if d.assignment == key), key=lambda d: d.id)
            for vote in standing(of_key, dealt[key], raters):
                expected[vote.assignment, vote.rater, vote.dimension] = (vote.choice, vote.reason)
        found = {place: said for place, said in votes(workspace).items() if said[1] != WITHDRAWN}
        assert found == expected
        whole(workspace)
        with workspace.reading() as connection:
            rows = connection.scalar(sa.select(sa.func.count()).select_from(tables.audit))
        assert rows == len(kept)
