import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likeness.alignment.mining import (
    Candidate,
    MiningConfig,
    MiningError,
    candidates,
    mine,
    shuffle_pairs,
    swap,
)
from likeness.store.records import Sample, Score

LOOSE = MiningConfig(margin=0.1, tolerances={}, per_condition=10)


def candidate(sample, identity, condition="c", seed=0, **scores):
    return Candidate(
        sample=sample,
        condition=condition,
        seed=seed,
        scores={"identity_target": identity} | scores,
    )


def test_the_paper_s_margin_and_number_are_the_defaults():
    assert MiningConfig().margin == 0.20
    assert MiningConfig().max_pairs == 800
    assert MiningConfig().reward == "identity_target"


def test_higher_identity_wins_and_margins_are_kept():
    mining = mine([candidate("a", 0.3), candidate("b", 0.7), candidate("c", 0.65)], LOOSE)
    assert [(p.winner, p.loser) for p in mining.pairs] == [("b", "a"), ("c", "a")]
    assert mining.pairs[0].margin == pytest.approx(0.4)
    assert mining.refused == {"identity_target margin too small": 1}
    assert mining.considered == 3
    assert mining.pairs[0].scores["winner"] == {"identity_target": 0.7}


def test_only_samples_of_one_condition_meet():
    mining = mine([candidate("a", 0.1, "x"), candidate("b", 0.9, "y")], LOOSE)
    assert mining.pairs == ()
    assert mining.considered == 0


def test_samples_of_one_seed_meet():
    drawn = [candidate("a", 0.1, seed=1), candidate("b", 0.9, seed=2), candidate("c", 0.5, seed=1)]
    mining = mine(drawn, replace(LOOSE, same_seed=True))
    assert [(p.winner, p.loser) for p in mining.pairs] == [("c", "a")]
    assert mining.considered == 1


@pytest.mark.parametrize(
    ("guard", "winner_sync", "kept"),
    [("alike", 5.4, True), ("alike", 6.0, False), ("alike", 4.0, False),
     ("not_worse", 6.0, True), ("not_worse", 4.6, True), ("not_worse", 4.0, False)],
)  # fmt: skip
def test_guards_hold_other_scores_alike(guard, winner_sync, kept):
    config = MiningConfig(margin=0.1, tolerances={"sync_c": 0.5}, guard=guard)
    mining = mine(
        [candidate("a", 0.9, sync_c=winner_sync), candidate("b", 0.1, sync_c=5.0)], config
    )
    assert bool(mining.pairs) == kept
    assert mining.refused == ({} if kept else {"sync_c too different": 1})


def test_missing_scores_are_refused_and_counted_by_name():
    config = MiningConfig(margin=0.1, tolerances={"quality": 1.0})
    mining = mine(
        [candidate("a", math.nan, quality=3), candidate("b", 0.5, quality=3), candidate("c", 0.9)],
        config,
    )
    assert mining.pairs == ()
    assert mining.refused == {"no identity_target": 2, "no quality": 1}


def test_the_widest_margins_are_taken_first():
    group = [candidate(f"{c}{i}", i * w, c) for c, w in (("x", 0.2), ("y", 0.3)) for i in range(3)]
    mining = mine(group, MiningConfig(margin=0.1, tolerances={}, per_condition=1))
    assert [p.condition for p in mining.pairs] == ["y", "x"]
    assert mining.refused == {"more than per_condition": 4}
    capped = mine(group, MiningConfig(margin=0.1, tolerances={}, per_condition=2, max_pairs=1))
    assert [p.condition for p in capped.pairs] == ["y"]


groups = st.lists(
    st.tuples(
        st.sampled_from("xyz"),
        st.one_of(st.just(math.nan), st.floats(-1, 1)),
        st.one_of(st.just(math.nan), st.floats(0, 10)),
    ),
    max_size=12,
)


@given(groups, st.floats(0.01, 1), st.floats(0, 5), st.integers(1, 3), st.randoms())
@settings(max_examples=100, deadline=None)
def test_every_couple_is_kept_or_counted_whatever_the_order(rows, margin, sync, most, random):
    config = MiningConfig(
        margin=margin, tolerances={"sync_c": sync}, per_condition=most, max_pairs=5
    )
    group = [candidate(f"s{i}", v, c, sync_c=s) for i, (c, v, s) in enumerate(rows)]
    mining = mine(group, config)
    assert len(mining.pairs) + sum(mining.refused.values()) == mining.considered
    for pair in mining.pairs:
        winner, loser = pair.scores["winner"], pair.scores["loser"]
        assert winner["identity_target"] - loser["identity_target"] >= margin
        assert abs(winner["sync_c"] - loser["sync_c"]) <= sync
    random.shuffle(group)
    assert mine(group, config) == mining


def test_shuffling_swaps_half_and_nothing_else():
    pairs = [mine([candidate("a", 0.9, f"{i}"), candidate("b", 0.1, f"{i}")], LOOSE).pairs[0]
             for i in range(200)]  # fmt: skip
    shuffled = shuffle_pairs(pairs, np.random.default_rng(0))
    turned = [p.winner == "b" for p in shuffled]
    assert sum(turned) == 100
    assert turned[:100] != [turned[0]] * 100
    assert [{p.winner, p.loser} for p in shuffled] == [{"a", "b"}] * 200
    assert all((p.margin < 0) == t for p, t in zip(shuffled, turned, strict=True))
    assert shuffled == shuffle_pairs(pairs, np.random.default_rng(0))


def test_swapping_exchanges_the_sides_and_their_scores():
    pair = mine([candidate("a", 0.9), candidate("b", 0.1)], LOOSE).pairs[0]
    turned = swap(pair)
    assert (turned.winner, turned.loser, turned.margin) == ("b", "a", -pair.margin)
    assert turned.scores["winner"] == pair.scores["loser"]
    assert turned.id != pair.id


def sample(clip, condition, seed):
    return Sample(clip=clip, condition=condition, checkpoint="base", seed=seed, sampler={})


def score(clip, reward, value, condition=None):
    return Score(clip=clip, reward=reward, value=value, version="1", condition=condition)


def test_scores_join_samples_by_clip_and_condition():
    one, two = sample("k1", "c1", 1), sample("k2", "c1", 2)
    scores = [
        score("k1", "sync_c", 4.0),
        score("k1", "identity_target", 0.2, "c1"),
        score("k1", "identity_target", 0.3, "c1"),
        score("k1", "identity_target", 0.9, "other"),
    ]
    joined = candidates([one, two], scores)
    assert joined[0].sample == one.id
    assert joined[0].scores == {"sync_c": 4.0, "identity_target": 0.3}
    assert joined[1].scores == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"margin": 0}, "alignment.mining.margin must be positive, got 0"),
        ({"margin": math.nan}, "margin must be positive"),
        ({"tolerances": {"sync_c": -1}}, "alignment.mining.tolerances.sync_c must be 0 or more"),
        ({"max_pairs": 0}, "max_pairs must be 1 or more, got 0"),
        ({"guard": "same"}, "guard must be alike or not_worse, got 'same'"),
    ],
)
def test_bad_settings_are_named(values, message):
    with pytest.raises(MiningError, match=message):
        MiningConfig(**values)
