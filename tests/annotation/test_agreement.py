"""Agreement against published examples, evalica, statsmodels and crowd-kit."""

import math
from pathlib import Path

import evalica
import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene
from statsmodels.stats.inter_rater import cohens_kappa

from likeness.annotation.ability import abilities, dawid_skene
from likeness.annotation.agreement import agreement, kappas
from likeness.annotation.labels import LEVELS, LabelError, Labels, read_labels
from likeness.store.sheets import SheetError

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: four observers, twelve units.
OBSERVERS = {
    "A": "123321412...",
    "B": "1233224125.3",
    "C": ".3332342251.",
    "D": "12332441251.",
}
PUBLISHED = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}


def written(path: Path, rows: list[tuple[str, str, object]]) -> Path:
    pd.DataFrame(rows, columns=["rater", "item", "value"]).to_csv(path, index=False)
    return path


@pytest.fixture
def example(tmp_path) -> Path:
    rows = [
        (name, f"u{unit:02d}", None if value == "." else int(value))
        for name, values in OBSERVERS.items()
        for unit, value in enumerate(values)
    ]
    return written(tmp_path / "labels.csv", rows)


@pytest.fixture
def noisy(tmp_path) -> Path:
    """Sixty items of four values by six raters, a third of the labels missing."""
    rng = np.random.default_rng(0)
    rows = []
    for item in range(60):
        truth = rng.integers(1, 5)
        for rater in range(6):
            if rng.random() < 2 / 3:
                right = rng.random() < 0.5 + 0.08 * rater
                said = truth if right else rng.integers(1, 5)
                rows.append((f"r{rater}", f"i{item:02d}", int(said)))
    return written(tmp_path / "noisy.csv", rows)


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_is_that_of_the_published_example(example, level):
    found = agreement(read_labels(example, level), 200, np.random.default_rng(0))
    assert found.alpha == pytest.approx(PUBLISHED[level], abs=5e-4)
    assert found.low < found.alpha < found.high
    assert found.items == 11


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_is_evalicas_with_missing_labels(noisy, level):
    found = agreement(read_labels(noisy, level), 100, np.random.default_rng(0))
    table = pd.read_csv(noisy).pivot(index="rater", columns="item", values="value")
    assert found.alpha == pytest.approx(evalica.alpha(table, level).alpha, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_the_interval_is_that_of_a_loop_that_draws_items(noisy, level):
    table = pd.read_csv(noisy).pivot(index="rater", columns="item", values="value")
    rng = np.random.default_rng(1)
    again, items = [], table.shape[1]
    for _ in range(150):
        drawn = table.iloc[:, rng.integers(items, size=items)].set_axis(range(items), axis=1)
        again.append(evalica.alpha(drawn, level).alpha)
    found = agreement(read_labels(noisy, level), 2000, np.random.default_rng(0))
    assert (found.high - found.low) == pytest.approx(3.92 * np.std(again), rel=0.25)


def test_the_same_seed_gives_the_same_interval(noisy):
    labels = read_labels(noisy, "nominal")
    one, two = (agreement(labels, 200, np.random.default_rng(5)) for _ in range(2))
    assert one == two


@pytest.mark.parametrize(("level", "weights"), [("nominal", None), ("ordinal", "fc")])
def test_kappa_is_statsmodels(noisy, level, weights):
    table = pd.read_csv(noisy).pivot(index="rater", columns="item", values="value")
    for pair in kappas(read_labels(noisy, level)):
        both = table.loc[[pair.a, pair.b]].dropna(axis=1).astype(int)
        crossed = np.zeros((4, 4))
        np.add.at(crossed, (both.loc[pair.a] - 1, both.loc[pair.b] - 1), 1)
        theirs = cohens_kappa(crossed, wt=weights, return_results=True).kappa
        assert pair.kappa == pytest.approx(theirs)
        assert pair.items == both.shape[1]


def skilled(path: Path, skill: list[float], items: int) -> Path:
    """Labels of four values by raters who say the true one with these chances."""
    rng = np.random.default_rng(2)
    rows = []
    for item in range(items):
        truth = rng.integers(4)
        for rater, chance in enumerate(skill):
            others = [v for v in range(4) if v != truth]
            said = truth if rng.random() < chance else rng.choice(others)
            rows.append((f"r{rater}", f"i{item:03d}", f"v{said}"))
    return written(path, rows)


def test_dawid_and_skene_are_crowd_kits(tmp_path):
    path = skilled(tmp_path / "skilled.csv", [0.9, 0.8, 0.7, 0.85, 0.6], 200)
    ours = dawid_skene(read_labels(path, "nominal"))
    frame = pd.read_csv(path).rename(columns={"rater": "worker", "item": "task", "value": "label"})
    theirs = DawidSkene(n_iter=500, tol=1e-12).fit(frame)
    values = theirs.probas_.sort_index().sort_index(axis=1).to_numpy()
    assert ours.values == pytest.approx(values, abs=1e-3)
    assert ours.priors == pytest.approx(theirs.priors_.sort_index().to_numpy(), abs=1e-3)
    confusion = theirs.errors_.sort_index().sort_index(axis=1).to_numpy().reshape(5, 4, 4)
    assert ours.confusion == pytest.approx(confusion.swapaxes(1, 2), abs=1e-3)


def test_planted_abilities_and_a_rater_who_guesses_are_found(tmp_path):
    skill = [0.9, 0.8, 0.7, 0.85, 0.25]
    path = skilled(tmp_path / "planted.csv", skill, 400)
    found = abilities(read_labels(path, "nominal"))
    assert [one.ability for one in found] == pytest.approx(skill, abs=0.07)


def test_labels_all_alike_have_no_alpha_and_say_why(tmp_path):
    rows = [(rater, item, "good") for rater in "ab" for item in "xyz"]
    labels = read_labels(written(tmp_path / "alike.csv", rows), "nominal")
    found = agreement(labels, 100, np.random.default_rng(0))
    assert math.isnan(found.alpha) and "same value" in str(found.reason)
    assert all("same value" in str(one.reason) for one in abilities(labels))
    assert math.isnan(kappas(labels)[0].kappa)


def test_one_rater_and_one_item_say_what_is_missing(tmp_path):
    alone = read_labels(written(tmp_path / "one.csv", [("a", "x", 1), ("a", "y", 2)]), "interval")
    found = agreement(alone, 100, np.random.default_rng(0))
    assert math.isnan(found.alpha) and "two raters" in str(found.reason)
    item = read_labels(written(tmp_path / "item.csv", [("a", "x", 1), ("b", "x", 2)]), "interval")
    found = agreement(item, 100, np.random.default_rng(0))
    assert found.alpha == 0 and math.isnan(found.low) and "one item" in str(found.reason)


@pytest.mark.parametrize(
    ("rows", "level", "expected"),
    [
        ([("a", "x", 1), ("a", "x", 2)], "nominal", "more than once"),
        ([("a", "x", "poor"), ("b", "x", "2")], "interval", "'poor' is not a number"),
        ([("a", "x", "poor"), ("b", "x", "2")], "ordinal", "'poor' is not a number"),
        ([("a", "x", "inf"), ("b", "x", "2")], "interval", "is not a number"),
        ([("a", "x", None)], "nominal", "no label"),
        ([], "nominal", "no label"),
        ([(None, "x", 1)], "nominal", "row 1 has no rater"),
    ],
)
def test_bad_labels_are_told_in_one_line(tmp_path, rows, level, expected):
    with pytest.raises(LabelError, match=expected):
        read_labels(written(tmp_path / "bad.csv", rows), level)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("rater,item,score\na,x,1\n")
    with pytest.raises(SheetError, match="lacks column value"):
        read_labels(path, "nominal")
    path.write_text("")
    with pytest.raises(SheetError, match="not a csv table"):
        read_labels(path, "nominal")


def labelled(rng: np.random.Generator, items: int) -> Labels:
    """Labels of five numbers by five raters of unequal skill, a fifth of them missing."""
    truth = rng.integers(5, size=items)
    right = rng.random((5, items)) < np.linspace(0.5, 0.9, 5)[:, None]
    said = np.where(right, truth, rng.integers(5, size=(5, items)))
    given = rng.random((5, items)) < 0.8
    rater, item = np.nonzero(given)
    return Labels(
        raters=tuple("abcde"),
        items=tuple(map(str, range(items))),
        values=np.arange(5.0),
        rater=rater,
        item=item,
        value=said[given],
        level="ordinal",
    )


@pytest.mark.slow
def test_the_interval_of_alpha_covers_95_times_in_100():
    rng = np.random.default_rng(0)
    truth = agreement(labelled(rng, 60_000), 1, rng).alpha
    inside = []
    for _ in range(600):
        found = agreement(labelled(rng, 60), 300, rng)
        inside.append(found.low <= truth <= found.high)
    assert 0.93 <= np.mean(inside) <= 0.97
