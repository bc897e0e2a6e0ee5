import math

import pytest

from likeness.benchmark.claims import (
    Change,
    Finding,
    Part,
    equivalent,
    fewer,
    improves,
    unharmed,
)


def change(value: float, half: float, metric: str = "identity_ref", **more) -> Change:
    return Change(metric=metric, value=value, low=value - half, high=value + half, **more)


@pytest.mark.parametrize(
    ("metric", "value", "half", "holds", "told"),
    [
        ("identity_ref", 0.02, 0.01, True, "better"),
        ("identity_ref", 0.02, 0.03, False, "does not exclude no change"),
        ("identity_ref", -0.02, 0.01, False, "worse"),
        ("sync_d", -0.02, 0.01, True, "better"),
        ("sync_d", 0.02, 0.01, False, "worse"),
        ("identity_ref", math.nan, 0.01, False, "identity to reference not measured"),
        ("identity_ref", 0.02, math.nan, False, "no interval"),
    ],
)
def test_an_improvement_needs_its_whole_interval(metric, value, half, holds, told):
    part = improves(change(value, half, metric))
    assert part.holds is holds
    assert told in part.said


@pytest.mark.parametrize(
    ("value", "half", "holds", "told"),
    [
        (0.002, 0.005, True, "within 1 %"),
        (0.002, 0.009, False, "does not exclude a change of more than 1 %"),
        (0.05, 0.01, False, "better by more than 1 %"),
        (-0.05, 0.01, False, "worse by more than 1 %"),
        (math.nan, 0.01, False, "not measured"),
    ],
)
def test_equivalence_needs_the_interval_inside_both_limits(value, half, holds, told):
    part = equivalent(change(value, half, share=True), 0.01)
    assert part.holds is holds
    assert told in part.said


@pytest.mark.parametrize(
    ("metric", "value", "half", "holds", "told"),
    [
        ("sync_c", 0.3, 0.1, True, "no loss of more than 5 %"),
        ("sync_c", -0.02, 0.02, True, "no loss"),
        ("sync_c", -0.02, 0.04, False, "does not exclude a loss of more than 5 %"),
        ("sync_c", -0.2, 0.04, False, "a loss of more than 5 %"),
        ("sync_d", -0.2, 0.04, True, "no loss"),
        ("sync_d", 0.2, 0.04, False, "a loss"),
    ],
)
def test_a_loss_is_excluded_by_the_interval(metric, value, half, holds, told):
    part = unharmed(change(value, half, metric, share=True), 0.05)
    assert part.holds is holds
    assert told in part.said


def test_fewer_tokens_are_counted():
    assert fewer("tokens", 71.25, 80).holds
    assert fewer("tokens", 71.25, 80).said == "tokens 71.2 instead of 80.0 (−10.9 %)"
    assert not fewer("tokens", 80, 80).holds


def test_a_change_is_written_with_its_unit():
    assert change(0.012, 0.004).text() == "+0.012 [+0.008, +0.016]"
    slope = change(0.0012, 0.0004, unit="a doubling")
    assert slope.text() == "+0.0012 [+0.0008, +0.0016] a doubling"
    assert change(-0.012, 0.004, share=True).text() == "−1.2 % [−1.6 %, −0.8 %]"
    assert change(0.012, math.nan).text() == "+0.012"


def test_one_part_that_fails_fails_the_claim():
    good, bad = Part(holds=True, said="a is better"), Part(holds=False, said="b is worse")
    assert Finding.of("c helps", [good, good]) == Finding(
        confirmed=True, sentence="Confirmed on the testbed that c helps: a is better; a is better."
    )
    failed = Finding.of("c helps", [good, bad])
    assert not failed.confirmed
    assert failed.sentence == (
        "Not confirmed by the testbed that c helps: a is better; b is worse."
    )
    assert not Finding.of("c helps", []).confirmed
