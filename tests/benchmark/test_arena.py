"""Rankings of systems: what is told, what is refused, and that intervals cover."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from likeness.annotation.duels import DuelError, Duels, read_duels
from likeness.annotation.ranking import Model, fit
from likeness.annotation.resampling import spread
from likeness.annotation.ties import LEFT, RIGHT, TIE
from likeness.benchmark.arena import ArenaError, Ranking, rank

STRENGTH = np.array([0.8, 0.3, 0.0, -1.1])


def votes_of(rng: np.random.Generator, raters: int, each: int, quirk: float = 0.0) -> Duels:
    """Votes of raters who differ by `quirk` in how they like each system."""
    size, total = len(STRENGTH), raters * each
    rater = np.repeat(np.arange(raters), each)
    taste = (
        STRENGTH + rng.normal(0, quirk, (raters, size)) if quirk else np.tile(STRENGTH, (raters, 1))
    )
    left = rng.integers(size, size=total)
    right = (left + rng.integers(1, size, size=total)) % size
    lead = taste[rater, left] - taste[rater, right] + 0.2
    weights = np.stack([np.exp(lead / 2), np.exp(-lead / 2), np.full(total, 0.5)], 1)
    share = (weights / weights.sum(1, keepdims=True)).cumsum(1)
    outcome = (rng.random(total)[:, None] > share[:, :2]).sum(1)
    return Duels(
        systems=("A", "B", "C", "D"), left=left, right=right, outcome=outcome, raters=rater
    )


def ranked(votes: Duels, ties: str = "davidson", resamples: int = 50) -> Ranking:
    return rank(votes, Model(ties=ties), resamples, np.random.default_rng(0))


def written(path: Path, *rows: str, header: str = "left,right,winner") -> Path:
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


@pytest.mark.parametrize("ties", ["davidson", "rao-kupper", "half"])
def test_systems_are_sorted_by_scores_of_geometric_mean_1(ties):
    found = ranked(votes_of(np.random.default_rng(0), 20, 100), ties)
    scores = [row.score for row in found.systems]
    assert [row.system for row in found.systems] == list("ABCD")
    assert scores == sorted(scores, reverse=True)
    assert np.prod(scores) == pytest.approx(1)
    assert all(row.low < row.score < row.high for row in found.systems)
    assert all(
        1 <= row.rank_low <= n <= row.rank_high <= 4 for n, row in enumerate(found.systems, 1)
    )
    assert (found.systems[3].rank_low, found.systems[3].rank_high) == (4, 4)
    assert sum(row.votes for row in found.systems) == 2 * found.votes == 4000
    assert found.position is not None
    assert found.position["low"] < found.position["left_odds"] < found.position["high"]


def test_the_same_seed_gives_the_same_ranking():
    votes = votes_of(np.random.default_rng(0), 10, 40)
    assert ranked(votes) == ranked(votes)


def test_equal_systems_share_their_ranks():
    left, right, outcome, rater = (codes.ravel() for codes in np.indices((4, 4, 3, 10)))
    met = left != right
    votes = Duels(
        systems=("A", "B", "C", "D"),
        left=left[met],
        right=right[met],
        outcome=outcome[met],
        raters=rater[met],
    )
    assert {(row.rank_low, row.rank_high) for row in ranked(votes).systems} == {(1, 4)}


def test_raters_who_repeat_themselves_do_not_narrow_the_interval():
    votes = votes_of(np.random.default_rng(1), 30, 10)
    often = replace(
        votes,
        **{
            name: np.tile(getattr(votes, name), 9)
            for name in ("left", "right", "outcome", "raters")
        },
    )
    one, nine, alone = (ranked(v) for v in (votes, often, replace(often, raters=None)))
    assert nine.systems[0].high == pytest.approx(one.systems[0].high, rel=1e-6)
    assert alone.systems[0].high - alone.systems[0].low < 0.5 * (
        one.systems[0].high - one.systems[0].low
    )
    assert (one.clustered_by, alone.clustered_by) == (("rater",), ("vote",))


def test_raters_and_items_are_never_narrower_than_either():
    votes = votes_of(np.random.default_rng(2), 20, 40, quirk=0.5)
    votes = replace(votes, items=np.arange(len(votes.left)) % 23)
    fitted = fit(votes.counts()[None], Model())
    unit = np.eye(6)
    both = spread(votes, Model(), fitted, 80, np.random.default_rng(0))
    assert both.kinds == ("rater", "item") and both.votes is not None
    each = np.sqrt(np.einsum("pq,kqr,pr->kp", unit, both.clustered, unit))
    assert (both.deviation(unit) >= each.max(0) - 1e-12).all()


def test_both_bad_is_a_tie_that_is_counted(tmp_path):
    rows = ["A,B,left", "B,A,left", "A,B,both_bad", "B,A,tie", "A,B,right"]
    found = ranked(read_duels(written(tmp_path / "votes.csv", *rows)))
    assert (found.tie["ties"], found.tie["both_bad"]) == (2, 1)


def test_a_system_that_never_lost_is_said_to_be_kept_finite_by_the_prior(tmp_path):
    rows = ["A,B,left", "B,A,right"] * 10 + ["B,C,left", "C,B,left"] * 5
    for ties in ("davidson", "rao-kupper", "half"):
        found = ranked(read_duels(written(tmp_path / "votes.csv", *rows)), ties)
        first = found.systems[0]
        assert first.system == "A" and np.isfinite(first.score) and first.high > 2 * first.score
        assert found.prior is not None and any("never lost: A" in note for note in found.notes)


def test_groups_that_never_met_are_refused_by_name(tmp_path):
    path = written(tmp_path / "votes.csv", "A,B,left", "B,A,left", "C,D,tie", "C,D,left")
    with pytest.raises(ArenaError, match="A, B; C, D"):
        ranked(read_duels(path))


def test_ties_alone_are_refused(tmp_path):
    with pytest.raises(ArenaError, match="every vote is a tie"):
        ranked(read_duels(written(tmp_path / "votes.csv", "A,B,tie", "B,A,both_bad")))


def test_one_rater_is_told_of(tmp_path):
    rows = ["A,B,left,ann", "B,A,left,ann", "A,B,tie,ann"]
    path = written(tmp_path / "votes.csv", *rows, header="left,right,winner,rater")
    found = ranked(read_duels(path))
    assert found.clustered_by == ("vote",)
    assert any("one rater" in note for note in found.notes)


def test_pairs_shown_one_way_round_leave_the_position_out(tmp_path):
    rows = ["A,B,left", "A,B,right", "B,C,left", "B,C,right", "A,B,tie"]
    found = ranked(read_duels(written(tmp_path / "votes.csv", *rows)))
    assert found.position is None and "one way round" in found.notes[0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["A,B,left", "A,B,won"], "row 2 has a winner that is none of left, right, tie, both_bad"),
        (["A,A,left"], "row 1 compares a system with itself"),
        (["A,,left"], "row 1 has no right"),
        ([], "no vote"),
    ],
)
def test_bad_votes_are_told_in_one_line(tmp_path, rows, expected):
    with pytest.raises(DuelError, match=expected):
        read_duels(written(tmp_path / "votes.csv", *rows))


def test_too_few_resamples_are_refused():
    with pytest.raises(DuelError, match="10 resamples"):
        ranked(votes_of(np.random.default_rng(0), 4, 20), resamples=3)


def test_sides_swapped_give_the_same_ranking():
    votes = votes_of(np.random.default_rng(5), 10, 60)
    swapped = replace(
        votes,
        left=votes.right,
        right=votes.left,
        outcome=np.array([RIGHT, LEFT, TIE])[votes.outcome],
    )
    one, two = ranked(votes), ranked(swapped)
    for a, b in zip(one.systems, two.systems, strict=True):
        assert a.system == b.system and a.score == pytest.approx(b.score, abs=1e-8)


@pytest.mark.slow
def test_intervals_cover_95_times_in_100_where_raters_differ():
    # What raters of one taste each would give on the whole: a fit to very many of them.
    many = votes_of(np.random.default_rng(100), 20_000, 20, quirk=0.8)
    truth = fit(many.counts()[None], Model()).strengths[0]
    inside = []
    for seed in range(250):
        rng = np.random.default_rng(seed)
        found = rank(votes_of(rng, 25, 40, quirk=0.8), Model(), 100, rng)
        for row in found.systems:
            aim = np.exp(truth["ABCD".index(row.system)])
            inside.append(row.low <= aim <= row.high)
    assert 0.93 <= np.mean(inside) <= 0.97


def drawn_by_both(rng: np.random.Generator, raters: int, items: int) -> Duels:
    """Votes of raters and on items that both have tastes of their own."""
    size, total = len(STRENGTH), raters * items
    taste = STRENGTH + rng.normal(0, 0.6, (raters, size))
    suits = rng.normal(0, 0.6, (items, size))
    rater, item = (codes.ravel() for codes in np.indices((raters, items)))
    left = rng.integers(size, size=total)
    right = (left + rng.integers(1, size, size=total)) % size
    lead = (taste[rater, left] + suits[item, left]) - (taste[rater, right] + suits[item, right])
    outcome = np.where(rng.random(total) < 1 / (1 + np.exp(-lead)), LEFT, RIGHT)
    return Duels(
        systems=("A", "B", "C", "D"),
        left=left,
        right=right,
        outcome=outcome,
        raters=rater,
        items=item,
    )


@pytest.mark.slow
def test_intervals_cover_95_times_in_100_where_raters_and_conditions_differ():
    many = drawn_by_both(np.random.default_rng(100), 1500, 1500)
    model = Model(ties="half", position=False)
    truth = fit(many.counts()[None], model).strengths[0]
    inside = []
    for seed in range(250):
        rng = np.random.default_rng(seed)
        found = rank(drawn_by_both(rng, 24, 36), model, 60, rng)
        assert found.clustered_by == ("rater", "item")
        for row in found.systems:
            inside.append(row.low <= np.exp(truth["ABCD".index(row.system)]) <= row.high)
    print(f"coverage {np.mean(inside):.4f} of {len(inside)} intervals")
    assert 0.93 <= np.mean(inside) <= 0.97
