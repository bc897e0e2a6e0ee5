import numpy as np
import pytest

from likeness.rewards.tripwires.alarm import Alarm, Evaluation, alarm, alarms
from likeness.rewards.tripwires.limits import Limit

LOW = Limit(low=-1.0)
N = 24


def history(*rows: np.ndarray) -> list[Evaluation]:
    return [Evaluation(step=100 * i, values=row) for i, row in enumerate(rows)]


def noise(seed: int, mean: float = 0.0, spread: float = 0.1) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal(N)


RISING = history(noise(0), noise(1, 0.1), noise(2, 0.5))
FALLING = history(noise(3), noise(4, -0.5), noise(5, -2.0))


def test_rings_when_the_reward_rises_and_the_wire_trips():
    rung = alarm(RISING, FALLING, LOW)
    assert isinstance(rung, Alarm)
    assert (rung.step, rung.since) == (200, 0)
    assert (rung.breached, rung.breached_before) == (1, 0)
    gaps = RISING[2].values - RISING[0].values
    assert rung.rise == pytest.approx(gaps.mean())
    assert rung.rise_error == pytest.approx(gaps.std(ddof=1) / np.sqrt(N))
    said = rung.message("quality", "wire_movement")
    assert said.startswith(f"step 200: quality rose by {rung.rise:.3g} (standard error 0.0")
    assert "wire_movement is outside its limits in 100% of clips, 0% before" in said


@pytest.mark.parametrize(
    ("reward", "wire"),
    [
        (RISING, RISING),  # both rise
        (FALLING, FALLING),  # both fall: worse, but nobody is fooled
        (history(noise(0), noise(0)), history(noise(2), noise(3, -2.0))),  # no rise
        (RISING[:2], FALLING[:2]),  # the wire falls within its limits
        (RISING[:1], FALLING[:1]),
        ([], []),
    ],
)
def test_is_silent_when_only_one_of_both_is_so(reward, wire):
    assert alarm(reward, wire, LOW) is None


def test_what_was_outside_from_the_start_is_no_alarm():
    assert alarm(RISING, history(*[noise(i, -2.0) for i in range(3)]), LOW) is None


def test_a_few_clips_outside_are_chance_and_some_are_not():
    for outside, rings in ((1, False), (3, False), (4, True), (12, True)):
        after = np.where(np.arange(N) < outside, -2.0, 0.0)
        rung = alarm(RISING, history(noise(0), noise(1), after), LOW)
        assert (rung is not None) == rings, outside


def test_missing_conditions_are_left_out_and_too_few_say_nothing():
    gone = np.where(np.arange(N) < 3, 1.0, np.nan)
    assert alarm(history(RISING[0].values, gone), history(noise(3), noise(5, -2.0)), LOW) is None
    few = history(RISING[0].values[:3], RISING[2].values[:3])
    assert alarm(few, history(FALLING[0].values[:3], FALLING[2].values[:3]), LOW) is None
    holes = RISING[2].values.copy()
    holes[:10] = np.nan
    assert alarm(history(RISING[0].values, noise(9), holes), FALLING, LOW) is not None


def test_false_alarms_are_rare():
    """Clips that never change but by chance, wires whose limits 99 % of true clips keep."""
    rng = np.random.default_rng(0)
    limit = Limit(low=-2.33)
    rung = 0
    for _ in range(1000):
        reward = history(*rng.standard_normal((2, N)))
        wire = history(*rng.standard_normal((2, N)))
        rung += alarm(reward, wire, limit) is not None
    assert rung <= 2


def test_a_true_rise_alone_seldom_rings():
    rng = np.random.default_rng(1)
    limit = Limit(low=-2.33)
    rung = 0
    for _ in range(1000):
        wire = history(*rng.standard_normal((3, N)))
        rung += alarm(RISING, wire, limit) is not None
    assert rung <= 10


def test_all_pairs_are_looked_at():
    rewards = {"quality": RISING, "sync": FALLING}
    wires = {"frozen": FALLING, "colour": RISING, "free": FALLING}
    found = alarms(rewards, wires, {"frozen": LOW, "colour": LOW})
    assert list(found) == [("quality", "frozen")]


@pytest.mark.parametrize("wire", [FALLING[:2], FALLING[::-1]])
def test_takes_two_series_of_the_same_steps(wire):
    with pytest.raises(ValueError, match="same steps, rising"):
        alarm(RISING, wire, LOW)
