import numpy as np
import pytest

from likeness.rewards.tripwires.limits import LIMITS, Limit, LimitError, Limits, limit_of
from likeness.rewards.tripwires.wires import ONE_SIDED, Tripwires
from likeness.store.records import Score


def row(wire: str, value: float) -> Score:
    return Score(clip="c", reward=wire, value=value, version="1")


def test_most_true_clips_keep_the_limits():
    rng = np.random.default_rng(0)
    limit = limit_of(rng.standard_normal(10_000))
    fresh = rng.standard_normal(10_000)
    assert limit.breached(fresh).mean() == pytest.approx(0.01, abs=0.004)
    assert limit.low == pytest.approx(-2.576, abs=0.15)
    assert limit.high == pytest.approx(2.576, abs=0.15)
    high = limit_of(rng.standard_normal(10_000), sides="high")
    assert high.low is None
    assert high.high == pytest.approx(2.326, abs=0.1)


def test_few_values_have_their_outermost_for_limits():
    values = np.array([3.0, np.nan, 1.0, 2.0])
    assert limit_of(values) == Limit(low=1.0, high=3.0)
    assert not limit_of(values).breached(values).any()


def test_says_what_tripped():
    limits = Limits(wires={"a": Limit(low=-1.0, high=1.0), "b": Limit(high=2.0)})
    assert limits.tripped([row("a", 0.5), row("b", -9.0), row("c", 5.0)]) == {}
    assert limits.tripped([row("a", -3.0), row("b", 2.5)]) == {"a": "-3 < -1", "b": "2.5 > 2"}
    gone = Score.missing(clip="c", reward="a", reason="no face", version="1")
    assert limits.tripped([gone]) == {}


@pytest.mark.parametrize("world", ["testbed", "real"])
def test_packaged_limits_are_of_the_wires(world):
    limits = LIMITS.load(world)
    assert limits.wires.keys() <= set(Tripwires.names)
    assert world == "real" or limits.wires.keys() == set(Tripwires.names)
    for name, limit in limits.wires.items():
        assert limit.high is not None
        assert (limit.low is None) == (name in ONE_SIDED)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Limit, "must have a low or a high"),
        (lambda: Limit(low=1.0, high=0.0), "low must be under high, got 1.0 and 0.0"),
        (lambda: limit_of(np.array([1.0, np.nan])), "1 true clips are too few"),
    ],
)
def test_what_can_not_be_is_said(make, message):
    with pytest.raises(LimitError, match=message):
        make()
