"""Mean opinion scores against sureal's published example, naive loops and planted truth."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from likeness.benchmark.studies.opinion import METHODS, bt500, half_widths, p910, p913, plain
from likeness.benchmark.studies.ratings import Ratings

HERE = Path(__file__).parent


def ratings_of(table: np.ndarray) -> Ratings:
    """Take a table (items, raters) with NaN where there is no rating."""
    item, rater = np.nonzero(~np.isnan(table))
    return Ratings(
        dimension="quality",
        raters=tuple(f"r{i:02d}" for i in range(table.shape[1])),
        items=tuple(f"i{j:02d}" for j in range(table.shape[0])),
        rater=rater,
        item=item,
        score=table[item, rater],
    )


@pytest.fixture(scope="module")
def example() -> np.ndarray:
    lines = (HERE / "sureal_example.txt").read_text().splitlines()
    rows = [line for line in lines if not line.startswith("#")]
    return np.array([[math.nan if c == "x" else float(c) for c in row] for row in rows])


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    lines = (HERE / "sureal_expected.txt").read_text().splitlines()
    parts = [line.split() for line in lines if not line.startswith("#")]
    return {name: np.array(values, float) for name, *values in parts}


def test_p910_is_sureals_on_its_public_example(example, expected):
    found = p910(ratings_of(example))
    assert found.mos == pytest.approx(expected["mos"], abs=1e-5)
    assert found.bias == pytest.approx(expected["bias"], abs=1e-5)
    assert found.inconsistency == pytest.approx(expected["inconsistency"], abs=1e-5)
    assert found.sos[:10] == pytest.approx(expected["sos"], abs=1e-5)


def test_plain_is_the_mean_and_its_t_interval(example):
    rated = ratings_of(example)
    half, found = half_widths(rated, "plain"), plain(rated)
    for item, row in enumerate(example):
        known = row[~np.isnan(row)]
        low, _ = stats.t.interval(0.95, len(known) - 1, known.mean(), stats.sem(known))
        assert found.mos[item] == pytest.approx(known.mean())
        assert found.mos[item] - half[item] == pytest.approx(low)


def test_p913_takes_the_bias_off_as_a_loop_does(example):
    found = p913(ratings_of(example))
    items, raters = example.shape
    mean = [np.nanmean(example[j]) for j in range(items)]
    bias = [np.nanmean([example[j, i] - mean[j] for j in range(items)]) for i in range(raters)]
    for j in range(items):
        left = [example[j, i] - bias[i] for i in range(raters) if not math.isnan(example[j, i])]
        assert found.mos[j] == pytest.approx(np.mean(left))
        assert found.sos[j] == pytest.approx(np.std(left, ddof=1) / math.sqrt(len(left)))
    assert found.bias == pytest.approx(np.array(bias))


def outlying(table: np.ndarray) -> list[int]:
    """BT.500's rejection as a loop over the words of its text."""
    raters = table.shape[1]
    above, below = np.zeros(raters), np.zeros(raters)
    for row in table:
        known = row[~np.isnan(row)]
        centre, spread = known.mean(), known.std()
        normal = 2 <= stats.kurtosis(known, fisher=False) <= 4
        reach = (2 if normal else math.sqrt(20)) * spread
        for i, score in enumerate(row):
            above[i] += spread > 0 and score >= centre + reach
            below[i] += spread > 0 and score <= centre - reach
    out = above + below
    return [
        i
        for i in range(raters)
        if out[i] / (~np.isnan(table[:, i])).sum() > 0.05
        and abs(above[i] - below[i]) / out[i] < 0.3
    ]


def test_bt500_leaves_out_who_the_loop_does(example):
    found = bt500(ratings_of(example))
    assert np.flatnonzero(found.rejected).tolist() == outlying(example)
    kept = np.delete(example, outlying(example), axis=1)
    assert found.mos == pytest.approx(np.nanmean(kept, axis=1))


def test_bt500_finds_a_planted_rater_who_guesses():
    rng = np.random.default_rng(0)
    table = rng.uniform(2, 4, 60)[:, None] + rng.normal(0, 0.3, (60, 40))
    table[:, 7] = rng.choice([0.0, 6.0], 60)
    found = bt500(ratings_of(table))
    assert np.flatnonzero(found.rejected).tolist() == [7] == outlying(table)


def test_planted_bias_and_inconsistency_are_recovered():
    rng = np.random.default_rng(1)
    bias, noise = rng.normal(0, 0.5, 24), rng.uniform(0.2, 1.2, 24)
    truth = rng.uniform(1, 5, 200)
    table = truth[:, None] + bias + rng.normal(size=(200, 24)) * noise
    table[rng.random(table.shape) < 0.3] = math.nan
    found = p910(ratings_of(table))
    assert found.bias == pytest.approx(bias - bias.mean(), abs=0.3)
    assert np.corrcoef(found.bias, bias)[0, 1] > 0.97
    assert found.inconsistency == pytest.approx(noise, abs=0.2)
    assert np.corrcoef(found.mos, truth)[0, 1] > 0.99


def test_p910_maximises_the_likelihood():
    rng = np.random.default_rng(2)
    table = rng.uniform(1, 5, 40)[:, None] + rng.normal(size=(40, 15)) * rng.uniform(0.5, 1, 15)
    rated = ratings_of(table)
    found = p910(rated)

    def likelihood(mos, bias, noise):
        loc, scale = mos[rated.item] + bias[rated.rater], noise[rated.rater]
        return stats.norm.logpdf(rated.score, loc, scale).sum()

    best = likelihood(found.mos, found.bias, found.inconsistency)
    for _ in range(200):
        moved = [
            part + rng.normal(0, 0.02, len(part))
            for part in (found.mos, found.bias, found.inconsistency)
        ]
        assert likelihood(*moved) < best + 1e-6


def test_repeats_of_a_rater_count_as_ratings_but_not_as_raters():
    table = np.array([[1.0, 2.0, 4.0], [3.0, 3.0, 5.0]])
    once, rated = half_widths(ratings_of(table), "plain"), ratings_of(table)
    twice = Ratings(
        dimension="quality",
        raters=rated.raters,
        items=rated.items,
        rater=np.tile(rated.rater, 2),
        item=np.tile(rated.item, 2),
        score=np.tile(rated.score, 2),
    )
    assert half_widths(twice, "plain") == pytest.approx(once)


@pytest.mark.parametrize("method", METHODS)
def test_one_rater_one_item_and_ratings_all_alike_have_no_interval(method):
    for table in (np.array([[3.0], [4.0]]), np.full((4, 5), 3.0), np.array([[4.0]])):
        rated = ratings_of(table)
        assert np.isnan(half_widths(rated, method)).all()
        assert METHODS[method](rated).mos == pytest.approx(table.mean(1))
    one = half_widths(ratings_of(np.array([[1.0, 2.0, 4.0]])), "plain")
    assert one[0] == pytest.approx(stats.t.ppf(0.975, 2) * stats.sem([1.0, 2.0, 4.0]))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_intervals_cover_the_score_over_all_raters_95_times_in_100(method):
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(60):
        noise = rng.uniform(0.3, 1.2, 20)
        truth = rng.uniform(1.5, 4.5, 25)
        table = truth[:, None] + rng.normal(0, 0.3, 20) + rng.normal(size=(25, 20)) * noise
        rated = ratings_of(table)
        apart = np.abs(METHODS[method](rated).mos - truth)
        inside.append(apart <= half_widths(rated, method))
    assert 0.93 <= np.mean(inside) <= 0.97
