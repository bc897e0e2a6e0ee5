import math
from dataclasses import replace

import pytest
from stand_in import CONFIG, StandIn, make_run, make_set

from likeness.alignment.guards import (
    ALARM,
    Guard,
    GuardConfig,
    GuardError,
    TrainingError,
    Watched,
    check_finite,
)
from likeness.alignment.masked_dpo import train
from likeness.store.runs import RunFolder

RISING = [{"step": i, "winner_rise": 0.1 * i, "loser_rise": 0.2 * i} for i in range(1, 13)]


def told(guard: Guard, rows) -> list[int]:
    return [row["step"] for row in rows if guard.check(row["step"], row) is not None]


def test_the_alarm_is_raised_once_when_both_errors_have_risen_so_many_logs_in_a_row():
    guard = Guard(GuardConfig(both_rising=3), log_every=2)
    assert told(guard, RISING) == [6]
    assert guard.in_a_row == 6


def test_an_error_that_falls_begins_the_count_anew():
    rows = [*RISING[:4], RISING[4] | {"winner_rise": -1.0}, *RISING[5:]]
    assert told(Guard(GuardConfig(both_rising=3), log_every=1), RISING[:4]) == [3]
    assert told(Guard(GuardConfig(both_rising=5), log_every=1), rows) == [10]


def test_the_alarm_can_be_off_and_can_end_the_run():
    assert told(Guard(GuardConfig(both_rising=0), log_every=1), RISING) == []
    with pytest.raises(GuardError, match=r"step 2: the errors of winners and losers have both"):
        told(Guard(GuardConfig(both_rising=2, on_alarm="stop"), log_every=1), RISING)


def test_what_a_guard_remembers_comes_back_from_the_metrics():
    whole, parts = (Guard(GuardConfig(both_rising=4), log_every=3) for _ in range(2))
    assert told(whole, RISING) == [12]
    parts.recall([*RISING[:7], {"step": 6, "held_out": 0.5}])
    assert told(parts, RISING[7:]) == [12]


@pytest.mark.parametrize(
    ("limit", "row", "message"),
    [
        ({"drift": 0.5}, {"drift": 0.6}, r"step 3: drift is 0\.6, above alignment\.guards\.drift"),
        ({"loss": 2.0}, {"loss": 2.5}, r"step 3: loss is 2\.5, above"),
    ],
)
def test_limits_end_a_run(limit, row, message):
    calm = {"winner_rise": 0.0, "loser_rise": 0.0, "drift": 0.1, "loss": 0.7}
    guard = Guard(GuardConfig(**limit), log_every=1)
    assert guard.check(2, calm) is None
    with pytest.raises(GuardError, match=message):
        guard.check(3, calm | row)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"both_rising": -1}, "guards.both_rising must be 0 or more, got -1"),
        ({"drift": math.nan}, "guards.drift must be 0 or more, got nan"),
        ({"on_alarm": "shout"}, "on_alarm must be tell or stop, got 'shout'"),
    ],
)
def test_impossible_guards_are_named(values, message):
    with pytest.raises(TrainingError, match=message):
        GuardConfig(**values)


def test_numbers_that_are_none_are_named():
    check_finite({"loss": 1.0}, 1, "here", "advice")
    with pytest.raises(TrainingError, match="step 4: z is not finite here; advice"):
        check_finite({"loss": 1.0, "z": math.inf}, 4, "here", "advice")


def test_a_drift_too_far_ends_the_run_and_keeps_the_last_checkpoint(tmp_path):
    run = RunFolder.create(tmp_path / "run", make_run())
    config = replace(CONFIG, save_every=2, guards=GuardConfig(drift=1e-3))
    with pytest.raises(GuardError, match="drift is"):
        train(StandIn(), make_set(), config, run)
    assert run.status.state == "failed"
    drifts = [row["drift"] for row in run.metrics.read()]
    assert drifts
    assert max(drifts) <= 1e-3
    last = len(drifts) // 2 * 2
    assert run.status.step == last
    assert len(list((run.path / "checkpoints").iterdir())) == last // 2
    # Limits may be changed where a run goes on, all else may not.
    free = replace(config, guards=GuardConfig())
    assert train(StandIn(), make_set(), free, run).finished


def test_a_tripwire_ends_the_run_before_its_checkpoint_is_saved(tmp_path):
    run = RunFolder.create(tmp_path / "run", make_run())

    def wire(step, measured):
        return "the face is frozen" if measured["motion"] < 0.8 else None

    watched = Watched(evaluate=lambda step: {"motion": 1 - step / 40}, tripwires=(wire,))
    with pytest.raises(GuardError, match="step 10: the face is frozen; the checkpoint before"):
        train(StandIn(), make_set(), CONFIG, run, evaluate=watched)
    assert (run.status.state, run.status.step) == ("failed", 5)
    assert run.metrics.read()[-1] == {"step": 10, "motion": 0.75}


def test_the_alarm_is_in_the_metrics_of_a_run(tmp_path):
    run = RunFolder.create(tmp_path / "run", make_run())
    # The winner is left alone: harming the loser is the easy way to tell them apart.
    config = replace(
        CONFIG, lambda_mse=0.0, winner_penalty=0.0, anchor_outside=0.0, lr=0.05, log_every=1,
        guards=GuardConfig(both_rising=2),
    )  # fmt: skip
    train(StandIn(), make_set(1), replace(config, batch=1, fixed_draws=1), run)
    rows = run.metrics.read()
    rising = [
        now["winner_rise"] > before["winner_rise"] and now["loser_rise"] > before["loser_rise"]
        for before, now in zip([{"winner_rise": 0.0, "loser_rise": 0.0}, *rows], rows, strict=False)
    ]
    expected, run_length = [], 0
    for row, rises in zip(rows, rising, strict=True):
        run_length = run_length + 1 if rises else 0
        if run_length == 2:
            expected.append(row["step"])
    assert [row["step"] for row in rows if ALARM in row] == expected
    assert expected
