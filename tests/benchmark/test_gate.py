import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.gate import LEVEL, comparable, gate
from likeness.benchmark.rule import Margin, Rule
from likeness.benchmark.wording import percent, relative, signed

BASE = {"identity_target": 0.62, "sync_c": 0.4, "motion": 0.7}


def judge(rows, rule=None, **aligned):
    measured = rows("base", **BASE) + rows("aligned", **BASE | aligned)
    return gate(Board.build(measured, [("aligned", "base")], {}), rule=rule)


def shaken(row, by: float):
    """Half of the people gain what the other half lose."""
    if (row.system, row.metric) != ("aligned", "sync_c"):
        return row
    return replace(row, value=row.value + (by if int(row.identity[1:]) % 2 else -by))


def test_identity_up_and_the_rest_kept_ships(rows):
    found = judge(rows, identity_target=0.65, sync_c=0.398)
    assert found.ship
    assert found.sentence.startswith("Ship: identity to target changed by +0.030 [+0.030")
    assert "sync confidence changed by −0.5 % [−0.5 %, −0.5 %], no loss of more than 2 %" in (
        found.sentence
    )
    assert [test.kind for test in found.tests] == ["superiority"] + ["non-inferiority"] * 2


def test_identity_down_does_not_ship(rows):
    found = judge(rows, identity_target=0.60)
    assert not found.ship
    assert "got worse" in found.sentence


def test_no_change_does_not_ship(rows):
    found = judge(rows)
    assert not found.ship
    assert "does not exclude no change" in found.sentence


@pytest.mark.parametrize("guard", ["sync_c", "motion"])
def test_a_guard_that_falls_too_far_does_not_ship(rows, guard):
    found = judge(rows, identity_target=0.65, **{guard: BASE[guard] * 0.97})
    assert not found.ship
    assert "changed by −3.0 % [−3.0 %, −3.0 %], a loss of more than 2 %" in found.sentence


def test_a_guard_that_was_not_measured_does_not_ship(rows):
    found = judge(rows, identity_target=0.65, motion=math.nan)
    assert not found.ship
    assert "motion was not measured for both" in found.sentence


def test_a_goal_that_was_not_measured_does_not_ship(rows):
    found = judge(rows, identity_target=math.nan)
    assert not found.ship
    assert "identity to target was not measured for both" in found.sentence


def test_an_interval_beyond_the_margin_does_not_ship(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    board = Board.build([shaken(row, 0.05) for row in measured], [("aligned", "base")], {})
    found = gate(board)
    assert not found.ship
    assert "which does not exclude a loss of more than 2 %" in found.sentence
    wide = Rule(guards={"sync_c": Margin.of("0.1"), "motion": Margin.of("2%")})
    assert gate(board, rule=wide).ship


def test_lower_is_better_is_understood(rows):
    measured = rows("base", sync_d=0.7, sync_c=0.4) + rows("aligned", sync_d=0.6, sync_c=0.4)
    board = Board.build(measured, [("aligned", "base")], {})
    assert gate(board, rule=Rule(goal="sync_d", guards={"sync_c": Margin(size=0.02)})).ship
    turned = Rule(goal="sync_c", guards={"sync_d": Margin(size=0.02)})
    assert not gate(board, rule=turned).ship


def test_one_person_gives_no_interval_and_does_not_ship(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    alone = [row for row in measured if row.identity == "p00"]
    found = gate(Board.build(alone, [("aligned", "base")], {}))
    assert not found.ship
    assert "fewer than two people" in found.sentence
    assert "Provisional: 1 people" in found.notes[-1]


def test_what_fails_on_hard_cases_does_not_ship_for_it(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    lost = {row.case for row in measured[:9]}
    failed = [
        replace(row, value=math.nan, reason="no face")
        if row.system == "aligned" and row.case in lost
        else row
        for row in measured
    ]
    found = gate(Board.build(failed, [("aligned", "base")], {}))
    assert not found.ship
    assert "is missing in 3 of 24 cases of Aligned and in 0 of Base" in found.sentence


def test_a_metric_outside_the_rule_that_falls_is_told(rows):
    measured = rows("base", text=0.8, **BASE)
    measured += rows("aligned", text=0.7, **BASE | {"identity_target": 0.65})
    found = gate(Board.build(measured, [("aligned", "base")], {}))
    assert found.ship
    assert any(
        note.startswith("Text is not part of the rule and got worse") for note in found.notes
    )
    assert comparable(Board.build(measured, [], {}), "aligned", "base") == [
        "identity_target", "sync_c", "motion", "text"
    ]  # fmt: skip


def test_the_tests_are_one_sided_t_tests_against_the_margin_with_holm(rows):
    rng = np.random.default_rng(4)
    base, moved = rows("base", **BASE), rows("aligned", **BASE | {"identity_target": 0.63})
    moved = [replace(row, value=row.value + rng.normal(0, 0.02)) for row in moved]
    board = Board.build(base + moved, [("aligned", "base")], {})
    found = {test.metric: test for test in gate(board).tests}
    raw = {}
    for name, test in found.items():
        change = np.array([m.value - b.value for m, b in zip(moved, base, strict=True)
                           if m.metric == name])  # fmt: skip
        means = change.reshape(12, 2).mean(1) + test.margin
        raw[name] = stats.ttest_1samp(means, 0, alternative="greater").pvalue
        assert test.p == pytest.approx(raw[name])
    smallest = min(raw, key=lambda name: raw[name])
    assert found[smallest].p_holm == pytest.approx(3 * raw[smallest])
    assert all(test.holds == (test.p_holm <= LEVEL) for test in found.values())


def test_a_system_that_is_not_there_is_refused(rows):
    board = Board.build(rows("base", **BASE), [], {})
    with pytest.raises(BoardError, match="aligned is not on the board; base are"):
        gate(board)


def test_rules_are_checked_at_birth():
    with pytest.raises(BoardError, match="'likeness' is no metric"):
        Rule(goal="likeness")
    with pytest.raises(BoardError, match=r"missing must be in 0\.\.1"):
        Rule(missing=1.5)
    for text in ("120%", "-1", "much"):
        with pytest.raises(BoardError, match="margin is"):
            Margin.of(text)
    assert str(Margin.of("2%")) == "2 %" and str(Margin.of("0.1")) == "0.1"


def test_relative_change_is_a_share_of_the_value_before(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"motion": 0.77})
    board = Board.build(measured, [("aligned", "base")], {})
    before = board.row("base", "motion").value
    share = relative(board, board.difference("motion", "aligned", "base"))
    assert share[0] == pytest.approx(0.07 / before)
    assert relative(board, None) is None


def test_numbers_are_written_with_a_real_minus_and_no_negative_zero():
    assert signed(-0.0004, 3) == "0.000"
    assert signed(-0.31, 2) == "−0.31"
    assert percent(0.0126) == "+1.3 %"
