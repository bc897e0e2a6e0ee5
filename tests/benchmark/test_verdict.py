import math
from dataclasses import replace

import pytest

from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.verdict import Rule, percent, relative, signed, verdict

BASE = {"identity_target": 0.62, "sync_c": 0.4, "motion": 0.7}


def judge(rows, rule=None, **aligned):
    measured = rows("base", **BASE) + rows("aligned", **BASE | aligned)
    return verdict(Board.build(measured, [("aligned", "base")], {}), rule=rule)


def test_identity_up_and_the_rest_kept_ships(rows):
    found = judge(rows, identity_target=0.65, sync_c=0.398)
    assert found.ship
    assert found.sentence.startswith("Ship: identity to target changed by +0.030 [+0.030")
    assert "sync confidence changed by −0.5 %, within the 2 % allowed" in found.sentence


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
    assert "changed by −3.0 %, worse by more than the 2 % allowed" in found.sentence


def test_a_guard_that_was_not_measured_does_not_ship(rows):
    found = judge(rows, identity_target=0.65, motion=math.nan)
    assert not found.ship
    assert "motion could not be compared" in found.sentence


def test_a_goal_that_was_not_measured_does_not_ship(rows):
    found = judge(rows, identity_target=math.nan)
    assert not found.ship
    assert "identity to target was not measured for both" in found.sentence


def test_an_interval_beyond_the_tolerance_is_said_as_a_doubt(rows):
    def unsettle(row):
        """Half of the people gain what the other half lose."""
        if (row.system, row.metric) != ("aligned", "sync_c"):
            return row
        return replace(row, value=row.value + (0.05 if int(row.identity[1:]) % 2 else -0.05))

    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    found = verdict(Board.build(map(unsettle, measured), [("aligned", "base")], {}))
    assert found.ship
    assert any("sync confidence reaches a loss of" in doubt for doubt in found.doubts)


def test_lower_is_better_is_understood(rows):
    rule = Rule(goal="sync_d", guards=("sync_c",))
    measured = rows("base", sync_d=0.7, sync_c=0.4) + rows("aligned", sync_d=0.6, sync_c=0.4)
    board = Board.build(measured, [("aligned", "base")], {})
    assert verdict(board, rule=rule).ship
    assert not verdict(board, rule=Rule(goal="sync_c", guards=("sync_d",))).ship


def test_one_person_gives_no_interval_and_does_not_ship(rows):
    measured = rows("base", **BASE) + rows("aligned", **BASE | {"identity_target": 0.65})
    alone = [row for row in measured if row.identity == "p00"]
    found = verdict(Board.build(alone, [("aligned", "base")], {}))
    assert not found.ship
    assert "fewer than two people" in found.sentence


def test_rules_are_checked_at_birth():
    with pytest.raises(BoardError, match="'likeness' is no metric"):
        Rule(goal="likeness")
    with pytest.raises(BoardError, match="tolerance must be in"):
        Rule(tolerance=1.5)


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
