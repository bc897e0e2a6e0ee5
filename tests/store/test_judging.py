"""Rows of judgement: added once, superseded, chained."""

import re

import pytest
import sqlalchemy as sa

from likeness.store import judging, tables
from likeness.store.judgements import Delivery, Rater, Vote


def delivery(annotation: int = 1, updated: str = "2026-01-01T00:00:00.000000+00:00", **changes):
    values = {
        "server": "local",
        "annotation": annotation,
        "task": annotation,
        "assignment": f"key{annotation}",
        "updated": updated,
        "body": {"result": [], "lead_time": 2.5},
        "way": "sync",
    }
    return Delivery(**{**values, **changes})


def vote(**changes) -> Vote:
    values = {"assignment": "a", "comparison": "c", "rater": "ada", "dimension": "identity"}
    return Vote(**{**values, "choice": "left", **changes})


def test_what_is_told_twice_is_one_row(any_workspace):
    first, again = delivery(), delivery(way="reconcile")
    other = delivery(updated="2026-01-02T00:00:00.000000+00:00")
    with any_workspace.transaction() as connection:
        judging.one_at_a_time(connection)
        assert judging.append_deliveries(connection, [first, first]) == [first]
    with any_workspace.transaction() as connection:
        assert judging.append_deliveries(connection, [again, other]) == [other]
        assert judging.append_deliveries(connection, []) == []
    with any_workspace.reading() as connection:
        kept = list(judging.all_deliveries(connection))
        assert [each for _, each in kept] == [first, other]
        assert all(name == each.id for name, each in kept)
        assert list(judging.deliveries_of(connection, "assignment", ["key1"])) == [first, other]
        assert list(judging.deliveries_of(connection, "task", [1], "elsewhere")) == []


def test_the_latest_vote_counts(any_workspace):
    votes = [
        vote(),
        vote(choice=None, reason="skipped"),
        vote(dimension="overall", strength=2, flags=("left:artefact",), comment="é"),
        vote(assignment="b", rater="ben", delivery="d"),
    ]
    with any_workspace.transaction() as connection:
        judging.append_votes(connection, votes)
    with any_workspace.reading() as connection:
        assert judging.current_votes(connection) == votes[1:]
        assert judging.current_votes(connection, ["b"]) == votes[3:]
        assert judging.read_from(connection, ["d"]) == {("d", "b", "ben", "identity")}
        assert any_workspace.find(Vote) == votes


def test_the_newest_record_of_a_rater_counts(any_workspace):
    ada, gone = Rater(id="ada"), Rater(id="ada", standing="suspended", note="asked to stop")
    with any_workspace.transaction() as connection:
        judging.append_raters(connection, [ada, Rater(id="ben"), gone])
    with any_workspace.reading() as connection:
        assert judging.current_raters(connection)["ada"] == gone
        assert set(judging.current_raters(connection)) == {"ada", "ben"}
    assert len(any_workspace.find(Rater)) == 3


def chain(workspace, count: int) -> None:
    for number in range(count):
        with workspace.transaction() as connection:
            judging.one_at_a_time(connection)
            events = [("vote", f"v{number}", {"n": number}), ("told", f"t{number}", {"x": 0.1})]
            judging.append_audit(connection, events)


def test_the_chain_holds(any_workspace):
    with any_workspace.reading() as connection:
        assert judging.verify_chain(connection) is None
        assert judging.chain_end(connection) == (0, "")
    chain(any_workspace, 3)
    with any_workspace.reading() as connection:
        assert judging.verify_chain(connection) is None
        count, newest = judging.chain_end(connection)
        assert (count, len(newest)) == (6, 64)
        assert [e.subject for e in judging.events_of(connection, "vote")] == ["v0", "v1", "v2"]
        assert len(list(judging.events_of(connection, "vote", "v1"))) == 1


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (sa.update(tables.audit).values(told={"n": 7}), "entry 3 .* isn't what was written"),
        (sa.update(tables.audit).values(created="2020"), "entry 3 .* isn't what was written"),
        (sa.delete(tables.audit), "entry 4 .* doesn't follow"),
    ],
)
def test_a_changed_entry_breaks_the_chain(any_workspace, harm, said):
    chain(any_workspace, 3)
    with any_workspace.transaction() as connection:
        connection.execute(harm.where(tables.audit.c.row == 3))
    with any_workspace.reading() as connection:
        found = judging.verify_chain(connection)
    assert found is not None
    assert re.search(said, found)
