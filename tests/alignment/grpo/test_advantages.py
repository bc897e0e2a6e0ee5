import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from likeness.alignment.grpo.advantages import EPSILON, RewardError, advantages, evenly
from likeness.alignment.grpo.judging import AskedError, Judgement
from likeness.alignment.grpo.settings import RewardTerm

ONE = {"a": RewardTerm()}
TWO = {"a": RewardTerm(weight=1.0), "b": RewardTerm(weight=-0.5)}
NAN = math.nan


def judged(reasons: list[dict[str, str]] | None = None, **columns: list[float]) -> Judgement:
    values = {name: torch.tensor(v, dtype=torch.float64) for name, v in columns.items()}
    return Judgement(values=values, reasons=reasons or ())


def drawn(seed: int, size: int = 8) -> Judgement:
    draw = torch.Generator().manual_seed(seed)
    values = torch.randn(2, size, generator=draw, dtype=torch.float64)
    return Judgement(values={"a": values[0], "b": 5 + 3 * values[1]})


def naive(judgement: Judgement, keys: list[str], scale: str, ddof: int) -> list[float]:
    """Sample by sample, from Python's own statistics."""
    out = []
    std = statistics.pstdev if ddof == 0 else statistics.stdev
    for row, key in enumerate(keys):
        total = 0.0
        for name, weight in (("a", 1.0), ("b", -0.5)):
            column = judgement.values[name].tolist()
            groups = {k: [v for v, o in zip(column, keys, strict=True) if o == k] for k in keys}
            divisor = {
                "group": std(groups[key]),
                "global": std(column),
                "max_group": max(std(group) for group in groups.values()),
            }[scale]
            total += weight * (column[row] - statistics.fmean(groups[key])) / (divisor + EPSILON)
        out.append(max(-5.0, min(5.0, total)))
    return out


@pytest.mark.parametrize("scale", ["group", "global", "max_group"])
@pytest.mark.parametrize("ddof", [0, 1])
def test_advantages_equal_a_naive_loop(scale, ddof):
    judgement, keys = drawn(0), list("xxyyyxyx")
    found = advantages(judgement, keys, TWO, scale=scale, ddof=ddof)
    assert found.values.tolist() == pytest.approx(naive(judgement, keys, scale, ddof), rel=1e-6)
    assert found.counts.all() and found.spread.all() and not found.vetoed.any()
    assert found.zero_std == 0


def test_without_scale_a_reward_is_only_centred():
    found = advantages(judged(a=[1.0, 2.0, 6.0]), ["x"] * 3, ONE, scale="none")
    assert found.values.tolist() == pytest.approx([-2.0, -1.0, 3.0])


def test_the_ddofs_differ_by_fifteen_percent_at_a_group_of_four():
    judgement, keys = judged(a=[1.0, 2.0, 3.0, 9.0]), ["x"] * 4
    by_zero, by_one = (advantages(judgement, keys, ONE, ddof=ddof).values for ddof in (0, 1))
    torch.testing.assert_close(
        by_zero / by_one, torch.full((4,), math.sqrt(4 / 3)), rtol=1e-3, atol=0
    )


@given(st.integers(0, 10_000), st.permutations(range(8)), st.sampled_from(["group", "global"]))
@settings(max_examples=50, deadline=None)
def test_permuting_samples_permutes_their_advantages(seed, places, scale):
    keys = list("xxxxyyyy")
    judgement = drawn(seed)
    moved = Judgement(values={n: v[list(places)] for n, v in judgement.values.items()})
    found = advantages(judgement, keys, TWO, scale=scale)
    again = advantages(moved, [keys[i] for i in places], TWO, scale=scale)
    torch.testing.assert_close(again.values, found.values[list(places)])


@given(st.integers(0, 10_000), st.floats(0.1, 100), st.floats(-50, 50))
@settings(max_examples=50, deadline=None)
def test_a_rewards_unit_does_not_matter(seed, unit, zero):
    """Normalised before they are weighted, so that the easy reward doesn't win."""
    judgement = drawn(seed)
    other = Judgement(values=judgement.values | {"b": judgement.values["b"] * unit + zero})
    one, two = (advantages(j, ["x"] * 8, TWO).values for j in (judgement, other))
    torch.testing.assert_close(one, two, atol=0.02, rtol=0.02)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_groups_advantages_sum_to_zero_unclamped(seed):
    found = advantages(drawn(seed), list("xxxxyyyy"), TWO, clamp=100.0)
    assert found.values[:4].sum() == pytest.approx(0, abs=1e-5)
    assert found.values[4:].sum() == pytest.approx(0, abs=1e-5)


def test_advantages_are_clamped():
    found = advantages(judged(a=[0.0] * 99 + [1.0]), ["x"] * 100, ONE)
    assert found.values.max() == 5


def test_a_group_without_spread_teaches_nothing_and_is_counted():
    found = advantages(judged(a=[0.1, 0.1, 0.1, 0.2, 0.3, 0.4]), list("xxxyyy"), ONE)
    assert found.values[:3].tolist() == [0, 0, 0]
    assert found.spread.tolist() == [False] * 3 + [True] * 3
    assert found.zero_std == pytest.approx(0.5)


def test_a_sample_without_a_reward_does_not_count_and_says_why():
    reasons = [{}, {"a": "no face in the clip"}, {}, {}]
    found = advantages(judged(reasons, a=[1.0, NAN, 3.0, 8.0]), ["x"] * 4, ONE)
    alone = advantages(judged(a=[1.0, 3.0, 8.0]), ["x"] * 3, ONE)
    assert found.counts.tolist() == [True, False, True, True]
    assert found.left_out == {"a: no face in the clip": 1}
    torch.testing.assert_close(found.values[[0, 2, 3]], alone.values)
    assert found.values[1] == 0


def test_the_only_one_of_its_group_with_a_reward_does_not_count():
    found = advantages(judged(a=[1.0, NAN, 3.0, 8.0]), list("xxyy"), ONE)
    assert found.counts.tolist() == [False, False, True, True]
    assert found.left_out == {
        "a: not a number": 1,
        "no other sample of its group has a reward": 1,
    }


def test_no_reward_at_all_is_an_error_that_says_why():
    reasons = [{"a": "no face in the clip"}, {"a": "no face in the clip"}]
    with pytest.raises(RewardError, match="2 samples: a: no face in the clip"):
        advantages(judged(reasons, a=[NAN, NAN]), ["x", "x"], ONE)


@given(st.integers(0, 10_000), st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=50, deadline=None)
def test_no_vetoed_sample_is_above_another(seed, vetoed):
    """However high its other rewards are."""
    limits = {"a": RewardTerm(), "limit": RewardTerm(weight=0.0, most=0.5)}
    values = drawn(seed).values["a"] + 100 * torch.tensor(vetoed)
    judgement = Judgement(values={"a": values, "limit": torch.tensor(vetoed).double()})
    found = advantages(judgement, ["x"] * 8, limits, clamp=100.0)
    assert found.vetoed.tolist() == vetoed
    if any(vetoed) and not all(vetoed):
        assert found.values[found.vetoed].max() < found.values[~found.vetoed].min()
        assert found.values.sum() == pytest.approx(0, abs=1e-4)
    assert found.zero_std == float(all(vetoed))


def test_a_reward_that_only_vetoes_may_be_missing():
    limits = {"a": RewardTerm(), "limit": RewardTerm(weight=0.0, least=0.0)}
    found = advantages(judged(a=[1.0, 2.0], limit=[NAN, 1.0]), ["x", "x"], limits)
    assert found.counts.all() and not found.vetoed.any()


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=4))
def test_every_rank_learns_from_as_many_groups(wanted):
    chosen = evenly(wanted)
    assert len({len(rank) for rank in chosen}) == 1
    for rank, groups in zip(wanted, chosen, strict=True):
        assert groups == sorted(set(groups))
        assert {i for i, yes in enumerate(rank) if yes} <= set(groups)
    assert len(chosen[0]) == max(map(sum, wanted))


def test_ranks_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="same number of groups"):
        evenly([[True], [True, False]])


def test_a_judgement_of_ragged_columns_is_refused():
    values: dict[str, Tensor] = {"a": torch.zeros(2), "b": torch.zeros(3)}
    with pytest.raises(AskedError, match="one value a sample and reward"):
        Judgement(values=values)
