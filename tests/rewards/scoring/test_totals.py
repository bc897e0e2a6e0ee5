"""Totals: means with coverage, failures by reason."""

import math

from likeness.rewards.scoring.job import Outcome
from likeness.rewards.scoring.totals import Failure, Mean, Totals
from likeness.store.records import Score


def outcome(clip: str, **given: float | str) -> Outcome:
    scores = [
        Score.missing(clip=clip, reward=name, reason=value, version="1")
        if isinstance(value, str)
        else Score(clip=clip, reward=name, value=value, version="1")
        for name, value in given.items()
    ]
    return Outcome(scores=tuple(scores), world="testbed")


OUTCOMES = [
    outcome("a", motion=0.25, sync="silent", text="no prompt given"),
    outcome("b", motion=0.75, sync="too short: 3 windows", text="no prompt given"),
    outcome("c", motion="too short: 8 frames", sync="too short: 5 windows", text="c: broken"),
]


def test_means_are_of_what_has_a_value_and_say_how_many():
    assert Totals.of(OUTCOMES).means[0] == Mean(reward="motion", value=0.5, scored=2, total=3)
    none = Totals.of(OUTCOMES).means[1]
    assert math.isnan(none.value)
    assert (none.scored, none.total) == (0, 3)


def test_failures_are_grouped_by_reason_whatever_their_numbers():
    assert Totals.of(OUTCOMES).failures == (
        Failure(reason="no prompt given", rewards=("text",), clips=("a", "b")),
        Failure(reason="too short: N windows", rewards=("sync",), clips=("b", "c")),
        Failure(reason="silent", rewards=("sync",), clips=("a",)),
        Failure(reason="too short: 8 frames", rewards=("motion",), clips=("c",)),
        Failure(reason="broken", rewards=("text",), clips=("c",)),
    )


def test_they_are_told_in_lines():
    told = Totals.of(OUTCOMES).lines()
    assert told[:2] == ["motion: mean 0.5 (2 of 3)", "sync: none (0 of 3)"]
    assert told[3] == "2 clips without text: no prompt given"
    assert told[5] == "1 clip without sync: silent"
