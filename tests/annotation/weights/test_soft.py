"""Soft labels against crowd-kit, and pairs that follow from them."""

import math

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import OneCoinDawidSkene

from likeness.annotation.judgements import Judgement
from likeness.annotation.labels import Labels
from likeness.annotation.weights.one_coin import Prior, one_coin
from likeness.annotation.weights.soft import pairs_of, soft_labels
from likeness.store.judgements import Assignment, Comparison


def drawn(seed: int, values: int = 3, items: int = 60) -> tuple[Labels, np.ndarray, np.ndarray]:
    """Labels of six raters of known abilities, the truth, and the abilities."""
    rng = np.random.default_rng(seed)
    able = np.array([0.95, 0.9, 0.8, 0.7, 0.6, 0.4])
    truth = rng.integers(values, size=items)
    rater, item = (codes.ravel() for codes in np.indices((6, items)))
    right = rng.random(len(rater)) < able[rater]
    other = (truth[item] + rng.integers(1, values, len(rater))) % values
    labels = Labels(
        raters=tuple(f"r{i}" for i in range(6)),
        items=tuple(f"i{i:02d}" for i in range(items)),
        values=np.array([f"v{i}" for i in range(values)]),
        rater=rater,
        item=item,
        value=np.where(right, truth[item], other),
        level="nominal",
    )
    return labels, truth, able


def test_the_likelihood_is_crowd_kits():
    labels, _, _ = drawn(0)
    table = pd.DataFrame(
        {
            "task": np.array(labels.items)[labels.item],
            "worker": np.array(labels.raters)[labels.rater],
            "label": labels.values[labels.value],
        }
    )
    # Thirty steps of each: theirs stops where it will, by a bound on the likelihood.
    theirs = OneCoinDawidSkene(n_iter=30, tol=-1.0).fit(table)
    assert len(theirs.loss_history_) == 30
    chances = theirs.probas_.loc[list(labels.items), list(labels.values)].to_numpy()
    ours = one_coin(labels, Prior(votes=0), most=30, tolerance=0)
    assert ours.values == pytest.approx(chances, abs=1e-6)
    skills = theirs.skills_.loc[list(labels.raters)].to_numpy()
    after = one_coin(labels, Prior(votes=0), most=31, tolerance=0)
    assert after.abilities == pytest.approx(skills, abs=1e-6)


def test_it_finds_the_truth_and_the_abilities():
    labels, truth, able = drawn(1, items=400)
    found = one_coin(labels, Prior())
    assert (found.values.argmax(1) == truth).mean() > 0.95
    assert found.abilities == pytest.approx(able, abs=0.06)


def judgement(rater: str, said: str, number: int = 0, kind: str = "question", **more) -> Judgement:
    comparison = Comparison(
        campaign="c",
        condition=f"k{number}",
        first=f"a{number}",
        second=f"b{number}",
        samples=more.get("samples", (f"sa{number}", f"sb{number}")),
        kind=kind,  # type: ignore[arg-type]
        chance=more.get("chance", 1.0),
    )
    view = Assignment(
        id=f"{rater}{number}{kind}",
        comparison=comparison.id,
        rater=rater,
        left="first",
        place=number,
        media="",
        reference="",
    )
    shown = {"first": "left", "second": "right"}.get(said, said)
    return Judgement(
        comparison=comparison,
        assignment=view,
        rater=rater,
        dimension="overall",
        shown=shown,  # type: ignore[arg-type]
        said=said,  # type: ignore[arg-type]
        strength=None,
        seconds=None,
    )


def test_one_item_is_bayes_rule_by_hand():
    # One vote, ability fixed by a prior that outweighs it: P(first) = .75.
    labels = Labels(
        raters=("a",),
        items=("i",),
        values=np.array(["first", "second"]),
        rater=np.array([0]),
        item=np.array([0]),
        value=np.array([0]),
        level="nominal",
    )
    found = one_coin(labels, Prior(shares=np.array([0.5, 0.5]), votes=1e9))
    assert found.values[0] == pytest.approx([0.75, 0.25], abs=1e-6)


def test_swapped_sides_give_the_opposite_labels():
    rng = np.random.default_rng(3)
    said = rng.choice(["first", "second", "tie"], (4, 15), p=[0.6, 0.25, 0.15])
    other = {"first": "second", "second": "first", "tie": "tie"}
    one, two = (
        soft_labels(
            [judgement(f"r{r}", turn(said[r, n]), n) for r in range(4) for n in range(15)],
            "overall",
        )
        for turn in (str, lambda word: other[word])
    )
    by_name = {label.comparison.id: label for label in two}
    for label in one:
        mirrored = by_name[label.comparison.id]
        assert label.first == pytest.approx(mirrored.second, abs=2e-6)
        assert label.tie == pytest.approx(mirrored.tie, abs=2e-6)


def test_ties_are_used_or_left_out():
    mine = [judgement("a", "tie"), judgement("b", "first"), judgement("c", "tie")]
    mine += [judgement(r, "first", 1) for r in "abc"]
    (half, *_), (out, *_) = (
        sorted(soft_labels(mine, "overall", ties), key=lambda one: one.comparison.condition)
        for ties in ("half", "out")
    )
    assert half.tie > 0.5 and half.votes == 3
    assert out.tie == 0 and out.votes == 1 and out.first > 0.7


def test_reviewers_decide():
    mine = [judgement("a", "first"), judgement("b", "first"), judgement("c", "second")]
    (before,) = soft_labels(mine, "overall", "out")
    (after,) = soft_labels([*mine, judgement("rev", "second", kind="review")], "overall", "out")
    assert before.first > 0.5 and before.by == "raters"
    assert (after.second, after.by, after.votes) == (0.95, "review", 1)


def test_repeats_and_gold_are_no_second_opinion():
    mine = [judgement("a", "first"), judgement("b", "second")]
    more = [judgement("a", "first", kind="repeat")]
    assert soft_labels(mine, "overall") == soft_labels([*mine, *more], "overall")


def test_pairs_keep_the_soft_label():
    mine = [judgement(r, "first") for r in "abc"] + [judgement(r, "second", 1) for r in "abc"]
    found = pairs_of(soft_labels(mine, "overall"), "spring").pairs
    winners = {pair.winner for pair in found}
    assert winners == {"sa0", "sb1"}
    for pair in found:
        label = pair.scores["label"]
        assert pair.source == "votes" and pair.scores["votes"] == 3 and label > 0.9
        assert pair.weight == pytest.approx(2 * label - 1, abs=2e-6)
        assert pair.margin == pytest.approx(math.log(label / (1 - label)), abs=1e-4)


def test_weights_by_chance_have_the_mean_of_a_random_draw():
    mine = [judgement(r, "first", chance=0.2) for r in "abc"]
    mine += [judgement(r, "first", 1, chance=0.8) for r in "abc"]
    labels = soft_labels(mine, "overall")
    plain = pairs_of(labels, "spring").pairs
    weighed = {p.condition: p for p in pairs_of(labels, "spring", by_chance=True).pairs}
    assert weighed["k0"].weight / weighed["k1"].weight == pytest.approx(4, rel=1e-4)
    total = sum(pair.weight for pair in plain)
    assert sum(pair.weight for pair in weighed.values()) == pytest.approx(total, rel=1e-4)


def test_what_gives_no_pair_is_counted():
    mine = [judgement("a", "first"), judgement("b", "second")]
    mine += [judgement("a", "first", 1, samples=()), judgement("b", "first", 1, samples=())]
    left_out = pairs_of(soft_labels(mine, "overall"), "spring").left_out
    assert left_out["of clips that are no samples"] == 1
