import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from likeness.benchmark.statistics import mean_estimate, paired_difference, share_estimate


def test_balanced_cases_give_the_t_interval_of_the_persons_means():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(10, 3)) + rng.normal(size=(10, 1))
    people = np.repeat([f"p{i}" for i in range(10)], 3)
    means = values.mean(1)
    low, high = stats.t.interval(0.95, 9, means.mean(), stats.sem(means))

    found = mean_estimate(values.ravel().tolist(), people.tolist())

    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert (found.cases, found.missing, found.people) == (30, 0, 10)


def bootstrap(values: np.ndarray, people: np.ndarray, rng: np.random.Generator) -> float:
    """Naive oracle: standard error of the mean when whole people are drawn with replacement."""
    names = np.unique(people)
    means = []
    for _ in range(3000):
        drawn = np.concatenate([values[people == name] for name in rng.choice(names, len(names))])
        means.append(drawn.mean())
    return float(np.std(means))


def test_uneven_cases_agree_with_a_bootstrap_of_people():
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(40), rng.integers(1, 6, 40)).astype(str)
    centre = dict(zip(np.unique(people), rng.normal(size=40), strict=True))
    values = np.array([centre[p] for p in people]) + rng.normal(size=len(people))

    found = mean_estimate(values.tolist(), people.tolist())

    error = (found.high - found.low) / 2 / stats.t.ppf(0.975, 39)
    assert error == pytest.approx(bootstrap(values, people, rng), rel=0.08)


def test_cases_of_one_person_do_not_narrow_the_interval():
    once = mean_estimate([0.1, 0.5, 0.9], ["a", "b", "c"])
    often = mean_estimate([0.1, 0.5, 0.9] * 10, ["a", "b", "c"] * 10)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_missing_values_are_counted_and_left_out():
    found = mean_estimate([1.0, math.nan, 3.0, math.nan], ["a", "a", "b", "c"])
    assert (found.value, found.cases, found.missing, found.people) == (2.0, 4, 2, 2)


def test_all_missing_is_missing():
    for estimate in (mean_estimate, share_estimate):
        found = estimate([math.nan, math.nan], ["a", "b"])
        assert math.isnan(found.value) and math.isnan(found.low) and math.isnan(found.high)
        assert (found.cases, found.missing, found.people) == (2, 2, 0)


def test_one_person_has_a_mean_but_no_interval():
    for estimate in (mean_estimate, share_estimate):
        found = estimate([1.0, 0.0], ["a", "a"])
        assert found.value == 0.5
        assert math.isnan(found.low) and math.isnan(found.high)


def test_a_pair_lacks_a_value_where_either_side_does():
    found = paired_difference([1.0, math.nan, 2.0], [0.5, 1.0, math.nan], ["a", "b", "c"])
    assert (found.value, found.cases, found.missing) == (0.5, 3, 2)


def test_pairing_removes_what_both_sides_share():
    rng = np.random.default_rng(2)
    people = [f"p{i}" for i in range(20)]
    hard = rng.normal(0, 1, 20)
    found = paired_difference(list(hard + 0.1), list(hard), people)
    assert found.low == pytest.approx(0.1) and found.high == pytest.approx(0.1)


def test_a_share_of_independent_cases_is_wilsons():
    hits = [1.0] * 30 + [0.0] * 10
    found = share_estimate(hits, [f"p{i}" for i in range(40)])
    wilson = stats.binomtest(30, 40).proportion_ci(method="wilson")
    assert found.low == pytest.approx(wilson.low, abs=0.01)
    assert found.high == pytest.approx(wilson.high, abs=0.01)


def test_a_full_share_is_not_certain_and_counts_people_not_cases():
    found = share_estimate([1.0] * 48, [f"p{i // 2}" for i in range(48)])
    wilson = stats.binomtest(24, 24).proportion_ci(method="wilson")
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson.low)


def test_unusable_numbers_are_refused():
    with pytest.raises(ValueError, match="infinite"):
        mean_estimate([math.inf], ["a"])
    with pytest.raises(ValueError, match="one person a value"):
        mean_estimate([1.0], ["a", "b"])
    with pytest.raises(ValueError, match="zeros and ones"):
        share_estimate([0.5], ["a"])
    with pytest.raises(ValueError, match="same cases"):
        paired_difference([1.0], [1.0, 2.0], ["a"])


numbers = st.lists(
    st.tuples(st.floats(-10, 10) | st.just(math.nan), st.sampled_from("abcde")), max_size=30
)


@given(numbers, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_cases_does_not_matter_and_the_mean_is_inside(cases, random):
    shuffled = random.sample(cases, len(cases))
    one, two = (mean_estimate([v for v, _ in c], [p for _, p in c]) for c in (cases, shuffled))
    ends = (one.value, one.low, one.high)
    assert ends == pytest.approx((two.value, two.low, two.high), nan_ok=True, abs=1e-9)
    if not math.isnan(one.low):
        assert one.low <= one.value <= one.high


def coverage(estimate, draw, truth: float, repeats: int = 2000) -> float:
    inside = 0
    for seed in range(repeats):
        values, people = draw(np.random.default_rng(seed))
        found = estimate(values.tolist(), people.tolist())
        inside += found.low <= truth <= found.high
    return inside / repeats


def even(rng):
    people = np.repeat(np.arange(24), 2).astype(str)
    return 0.6 + np.repeat(rng.normal(0, 0.1, 24), 2) + rng.normal(0, 0.1, 48), people


def uneven(rng):
    counts = np.arange(24) % 4 + 1
    people = np.repeat(np.arange(24), counts).astype(str)
    return np.repeat(rng.normal(0, 0.1, 24), counts) + rng.normal(0, 0.1, len(people)), people


def few(rng):
    people = np.repeat(np.arange(5), 6).astype(str)
    return np.repeat(rng.normal(0, 1, 5), 6) + rng.normal(0, 1, 30), people


def skewed(rng):
    people = np.repeat(np.arange(48), 2).astype(str)
    return np.repeat(rng.gamma(4.0, 0.5, 48), 2) + rng.normal(0, 0.3, 96), people


def shares(rng):
    chance = np.repeat(rng.beta(8.0, 2.0, 24), 2)
    return (rng.random(48) < chance).astype(float), np.repeat(np.arange(24), 2).astype(str)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("estimate", "draw", "truth"),
    [
        (mean_estimate, even, 0.6),
        (mean_estimate, uneven, 0.0),
        (mean_estimate, few, 0.0),
        (mean_estimate, skewed, 2.0),
        (share_estimate, shares, 0.8),
    ],
)
def test_the_interval_covers_the_truth_95_times_in_100(estimate, draw, truth):
    assert 0.93 <= coverage(estimate, draw, truth) <= 0.97
