"""Bad raters are found early, and honest ones are left alone."""

import numpy as np
import pytest

from likeness.annotation.judgements import Judgement, by_clip
from likeness.annotation.people.record import Share, report
from likeness.annotation.people.sequential import ALPHA, watch
from likeness.store.judgements import Assignment, Comparison

ANSWERS = ("left", "right", "tie", "both_bad")


def asked(kind: str, number: int = 0) -> Comparison:
    known = {"overall": "first"} if kind in {"gold", "training"} else {}
    return Comparison(
        campaign="c",
        condition=f"k{number}",
        first="a",
        second="b",
        kind=kind,  # type: ignore[arg-type]
        expected=known,
    )


KINDS = {kind: asked(kind) for kind in ("question", "gold", "training")}


def judged(shown, left, comparison, place, dimension="overall", seconds=None) -> Judgement:
    view = Assignment(
        id=f"{place}",
        comparison="any",
        rater="r",
        left=left,
        place=place,
        media="",
        reference="",
    )
    return Judgement(
        comparison=comparison,
        assignment=view,
        rater="r",
        dimension=dimension,
        shown=shown,
        said=by_clip(shown, left),
        strength=None,
        seconds=seconds,
    )


def rater(kind: str, known: list[bool], rng: np.random.Generator) -> list[Judgement]:
    """Answers of a kind of rater; of what nobody knows the truth is drawn."""
    found = []
    for place, is_known in enumerate(known):
        left = "first" if rng.random() < 0.5 else "second"
        truth = "first" if is_known or rng.random() < 0.5 else "second"
        right = "left" if truth == left else "right"
        wrong = "right" if right == "left" else "left"
        shown = {
            "honest": right if rng.random() < 0.75 else wrong,
            "four": ANSWERS[rng.integers(4)],
            "coin": ANSWERS[rng.integers(2)],
            "left": "left",
            "right": "right",
            "inverted": wrong if rng.random() < 0.9 else right,
        }[kind]
        comparison = KINDS["gold" if is_known else "question"]
        found.append(judged(shown, left, comparison, place))
    return found


# A campaign's first 40 votes: ten views of training, then every third known.
USUAL = [True] * 10 + [place % 3 == 0 for place in range(30)]
CHECKS = [True] * 40


def found_of(kind: str, known: list[bool], raters: int = 200) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([watch(rater(kind, known, rng)).at is not None for _ in range(raters)]))


@pytest.mark.parametrize(
    ("kind", "known", "least"),
    [
        ("left", USUAL, 1.0),
        ("right", USUAL, 1.0),
        ("inverted", USUAL, 0.99),
        ("four", USUAL, 0.9),
        ("four", CHECKS, 0.99),
        ("coin", CHECKS, 0.8),
    ],
)
def test_bad_raters_are_found_within_40_votes(kind, known, least):
    share = found_of(kind, known)
    print(f"{kind}: {share:.3f} of 200 found within 40 votes, {sum(known)} of them known")
    assert share >= least


@pytest.mark.parametrize("known", [USUAL * 5, CHECKS * 5])
def test_honest_raters_raise_no_alarm_in_200_votes(known):
    share = found_of("honest", known, raters=400)
    print(f"honest, accuracy 0.75: {share:.4f} of 400 alarmed within 200 votes")
    assert share <= ALPHA


def test_an_alarm_says_what_fits_best():
    rng = np.random.default_rng(1)
    told = {kind: watch(rater(kind, CHECKS * 3, rng)) for kind in ("left", "inverted")}
    assert told["left"].suspicion == "always left"
    assert told["inverted"].suspicion == "inverted"
    at = told["left"].at
    assert at is not None and at <= 15 and told["left"].evidence > 1 / ALPHA


def test_dimensions_of_one_view_count_once():
    six = [
        judged("left", "first", KINDS["question"], place, dimension)
        for place in range(8)
        for dimension in "abcdef"
    ]
    one = [judged("left", "first", KINDS["question"], place) for place in range(8)]
    assert watch(six).evidence == pytest.approx(watch(one).evidence)
    assert watch(six).views == 8


def test_wilson_is_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for hits, trials in ((0, 7), (3, 10), (48, 50), (12, 12)):
        ours = Share.of(hits, trials)
        theirs = proportion_confint(hits, trials, method="wilson")
        assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-12)


def test_a_report_counts_gold_repeats_sides_and_seconds():
    first, second = (
        Comparison(campaign="c", condition="k", first="a", second="b", kind=kind)
        for kind in ("question", "repeat")
    )
    views = [
        judged("left", "first", KINDS["gold"], 0, seconds=4.0),
        judged("left", "second", KINDS["gold"], 1, seconds=6.0),
        judged("left", "first", first, 2, seconds=8.0),
        judged("right", "second", second, 3, seconds=None),
        judged("tie", "first", KINDS["training"], 4, seconds=20.0),
    ]
    told = report("r", views)
    assert (told.gold.value, told.gold.trials) == (0.5, 2)
    assert (told.training.value, told.training.trials) == (0.0, 1)
    assert (told.repeats.value, told.repeats.trials) == (1.0, 1)
    assert told.seconds == 7.0
    assert (told.left.value, told.left.trials) == (0.75, 4)
    assert told.run == 3 and np.isnan(told.alike) and told.notes == ()


def test_straight_lining_is_noted():
    views = [
        judged(answer, "first", KINDS["question"], place, dimension)
        for place in range(12)
        for answer in [ANSWERS[place % 3]]
        for dimension in ("identity", "lip_sync", "overall")
    ]
    told = report("r", views)
    assert told.alike == 1.0
    assert any("in all dimensions on 100 %" in note for note in told.notes)
    ties = [judged("tie", "first", KINDS["question"], place) for place in range(30)]
    assert any("30 times on end" in note for note in report("r", ties).notes)
