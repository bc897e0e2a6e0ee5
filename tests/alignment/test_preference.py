import numpy as np
import pytest
import torch
from stand_in import SHAPE, StandInConditioning, make_pair, make_set

from likeness.alignment.masks import MaskConfig
from likeness.alignment.preference import PreferenceError, PreferenceSet, preference_set
from likeness.store.records import Pair


@pytest.mark.parametrize("side", ["winner", "loser"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_in_latents_names_pair_and_side(side, value):
    latents = torch.zeros(SHAPE)
    latents[1, 2, 3, 4] = value
    with pytest.raises(PreferenceError, match=f"pair pair7: the {side}'s latents hold NaN"):
        make_pair(7, **{side: latents})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loser": torch.zeros(3, 4, 5, 5)}, r"winner \(3, 4, 5, 6\) and loser \(3, 4, 5, 5\)"),
        ({"winner": torch.zeros(1, *SHAPE)}, r"must be \(C, T, h, w\) floats"),
        ({"winner": torch.zeros(SHAPE, dtype=torch.long)}, "torch.int64"),
        ({"mask": torch.ones(2, 5, 6).bool()}, r"a mask \(2, 5, 6\) does not fit"),
        ({"mask": torch.zeros(1, 5, 6).bool()}, "the mask is empty"),
        ({"weight": 0.0}, "weight must be positive, got 0.0"),
    ],
)
def test_a_pair_that_can_not_be_is_named(changes, message):
    with pytest.raises(PreferenceError, match=f"pair pair7: .*{message}"):
        make_pair(7, **changes)


def test_no_pairs_says_what_to_do():
    with pytest.raises(PreferenceError, match=r"none were given.*lower alignment.mining.margin"):
        PreferenceSet(pairs=())


def test_pairs_of_two_sizes_are_both_named():
    small = torch.zeros(3, 4, 5, 5)
    other = make_pair(1, winner=small, loser=small, mask=torch.ones(1, 5, 5).bool())
    with pytest.raises(PreferenceError, match=r"pairs pair0 .* and pair1 .* differ in shape"):
        PreferenceSet(pairs=(make_pair(0), other))


def test_the_same_pair_twice_is_an_error():
    with pytest.raises(PreferenceError, match="pair0 is there more than once"):
        PreferenceSet(pairs=(make_pair(0), make_pair(0)))


def test_hash_depends_on_all_that_is_learnt_from():
    hashes = {
        PreferenceSet(pairs=(make_pair(0, **changes),)).hash
        for changes in (
            {},
            {"id": "other"},
            {"weight": 2.0},
            {"winner": torch.zeros(SHAPE)},
            {"loser": torch.zeros(SHAPE)},
            {"mask": torch.ones(1, *SHAPE[2:]).bool()},
        )
    }
    assert len(hashes) == 6
    assert make_set().hash == make_set().hash


def test_a_batch_holds_pairs_side_by_side():
    pairs = make_set()
    batch = pairs.batch([3, 1], torch.device("cpu"))
    assert batch.ids == ("pair3", "pair1")
    assert batch.winner.shape == (2, *SHAPE)
    assert batch.mask.shape == (2, 1, *SHAPE[1:])
    assert torch.equal(batch.loser[1], pairs.pairs[1].loser)
    vectors = [pairs.pairs[i].condition.vector for i in (3, 1)]
    assert torch.equal(batch.condition.vector, torch.cat(vectors))


def mined(name, **changes):
    values = {"condition": "c", "winner": f"{name}+", "loser": f"{name}-", "margin": 0.2}
    return Pair(source="test", **(values | changes))


@pytest.fixture
def parts():
    pairs = [mined("a"), mined("b"), mined("d", weight=0)]
    latents = {side: torch.randn(48, 2, 3, 4) for p in pairs for side in (p.winner, p.loser)}
    conditions = {"c": StandInConditioning(torch.zeros(1, 8))}
    pixels = np.zeros((5, 24, 32), dtype=bool)
    pixels[:, 8:16, 8:16] = True
    return pairs, latents, conditions, {p.id: pixels for p in pairs}


def test_mined_pairs_find_their_tensors(parts):
    pairs, latents, conditions, masks = parts
    found = preference_set(pairs, latents, conditions, masks, MaskConfig(padding=0))
    assert [p.id for p in found.pairs] == [pairs[0].id, pairs[1].id]
    assert torch.equal(found.pairs[1].winner, latents["b+"])
    assert found.pairs[0].mask.sum() == 2
    assert found.dropped == {"a weight of 0": 1}


def test_an_empty_mask_drops_the_pair_and_counts_it(parts):
    pairs, latents, conditions, masks = parts
    masks[pairs[0].id] = np.zeros((5, 24, 32), dtype=bool)
    found = preference_set(pairs, latents, conditions, masks, MaskConfig())
    assert [p.id for p in found.pairs] == [pairs[1].id]
    assert found.dropped == {"an empty mask": 1, "a weight of 0": 1}


def test_when_all_are_dropped_the_error_says_why(parts):
    pairs, latents, conditions, masks = parts
    empty = {key: np.zeros((5, 24, 32), dtype=bool) for key in masks}
    with pytest.raises(PreferenceError, match=r"2 for an empty mask"):
        preference_set(pairs[:2], latents, conditions, empty, MaskConfig())


@pytest.mark.parametrize(("missing", "message"), [(1, "latents"), (2, "condition c"), (3, "mask")])
def test_what_is_missing_is_named(parts, missing, message):
    arguments = [*parts]
    arguments[missing] = {}
    with pytest.raises(PreferenceError, match=f"pair {parts[0][0].id}: no {message}"):
        preference_set(*arguments, MaskConfig())
