import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from likeness.rewards.combine.combination import Combination, CombinationError, Term
from likeness.store.records import Score


def row(reward: str, value: float | None) -> Score:
    if value is None:
        return Score.missing(clip="c", reward=reward, reason=f"no {reward} here", version="1")
    return Score(clip="c", reward=reward, value=value, version="1")


def rows(**values: float | None) -> list[Score]:
    return [row(name, value) for name, value in values.items()]


BOTH = Combination(
    terms={
        "face": Term(weight=3, zero=0.5, one=1.0, least=0.2),
        "noise": Term(weight=1, zero=10, one=0, optional=True),
    },
    worst=-5,
)


def test_weighs_normalised_values():
    total = BOTH.total(rows(face=0.75, noise=2.0, other=99.0))
    assert total.value == pytest.approx((3 * 0.5 + 1 * 0.8) / 4)
    assert total.parts == pytest.approx({"face": 0.375, "noise": 0.2})
    assert (total.reason, total.vetoes, total.coverage) == (None, (), 1)


def test_a_broken_limit_is_the_worst_and_says_which():
    total = BOTH.total(rows(face=0.1, noise=0.0))
    assert total.value == -5
    assert total.vetoes == ("face",)
    assert total.reason == "face is 0.1, at least 0.2 needed"


def test_a_broken_limit_goes_before_what_is_missing():
    strict = Combination(terms={**BOTH.terms, "sound": Term()}, worst=-5)
    assert strict.total(rows(face=0.1, sound=None)).value == -5


def test_missing_is_nan_with_a_reason_unless_it_is_optional():
    total = BOTH.total(rows(face=None, noise=1.0))
    assert math.isnan(total.value)
    assert total.reason == "face: no face here"
    assert total.coverage == 0.25
    without = BOTH.total(rows(face=0.75, noise=None))
    assert without.value == pytest.approx(0.5)
    assert without.coverage == 0.75
    assert BOTH.total(rows(noise=1.0)).reason == "face: not scored"


def test_nothing_known_is_no_total_even_if_all_is_optional():
    loose = Combination(terms={"a": Term(optional=True)})
    total = loose.total([])
    assert math.isnan(total.value)
    assert total.reason == "a: not scored"
    assert total.coverage == 0


def test_a_term_of_weight_0_only_vetoes():
    watched = Combination(terms={"a": Term(), "offset": Term(weight=0, least=-1, most=1)})
    assert watched.total(rows(a=0.5, offset=1.0)).value == 0.5
    far = watched.total(rows(a=0.5, offset=3.0))
    assert far.value == watched.worst
    assert far.reason == "offset is 3, at most 1 allowed"


def test_more_than_the_cap_counts_as_the_cap():
    capped = Combination(terms={"a": Term(cap=1.0), "b": Term()})
    assert capped.total(rows(a=9.0, b=0.0)).value == 0.5


@given(st.dictionaries(st.sampled_from("abcd"), st.floats(-1e6, 1e6), min_size=1))
def test_no_total_is_below_the_worst_and_more_is_never_less(values: Mapping[str, float]):
    both = Combination(terms={name: Term(weight=1 + i) for i, name in enumerate(values)})
    total = both.total(rows(**values)).value
    assert total >= both.worst
    for name in values:
        more = both.total(rows(**{**values, name: values[name] + 1.0})).value
        assert more >= total


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Term(weight=-1), "weight must be 0 or more, got -1"),
        (lambda: Term(weight=float("nan")), "weight must be 0 or more, got nan"),
        (lambda: Term(zero=2, one=2), "zero and one must differ, both are 2"),
        (lambda: Term(least=2, most=1), "least must be under most, got 2 and 1"),
        (lambda: Term(weight=0), "weight 0 must have a least or a most"),
        (Combination, "at least one of a weight above 0"),
        (lambda: BOTH.total([row("face", 1), row("face", 1)]), "two scores of face for c"),
    ],
)
def test_what_can_not_be_is_said(make, message):
    with pytest.raises(CombinationError, match=message):
        make()
