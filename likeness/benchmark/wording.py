"""How changes are written for people."""

import math

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.significance import ALPHA


def reading(difference: Difference) -> str:
    """Say what a difference allows to say: better, worse or neither.

    The whole interval lies on one side of no change, and so does the test after Holm's correction.
    """
    if math.isnan(difference.value):
        return "not measured"
    if math.isnan(difference.low):
        return "no interval"
    gain = METRICS[difference.metric].gain
    low, high = sorted((gain(difference.low), gain(difference.high)))
    if difference.p_holm > ALPHA:
        return "no clear change"
    if low > 0:
        return "better"
    return "worse" if high < 0 else "no clear change"


def chance_text(p: float) -> str:
    """Write a p value, such as `0.031` or `< 0.001`; nothing where there is none."""
    if math.isnan(p):
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def relative(board: Board, difference: Difference | None) -> tuple[float, float, float] | None:
    """Value, low and high of a difference as shares of b's value over all its cases.

    Returns:
        None where the difference or b's value is unmeasured or b's value is zero.

    """
    before = board.row(difference.b, difference.metric) if difference else None
    if difference is None or before is None or math.isnan(difference.value) or not before.value:
        return None
    size = abs(before.value)
    return difference.value / size, difference.low / size, difference.high / size


def interval_text(difference: Difference) -> str:
    """Write a difference with its interval, such as `+0.031 [+0.018, +0.044]`."""
    digits = METRICS[difference.metric].digits
    text = signed(difference.value, digits)
    if math.isnan(difference.low):
        return text
    return f"{text} [{signed(difference.low, digits)}, {signed(difference.high, digits)}]"


def signed(value: float, digits: int) -> str:
    """Write a change with its sign, a real minus, and none for what rounds to zero."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def percent(share: float) -> str:
    """Write a change in per cent, such as `−0.9 %`."""
    return f"{signed(100 * share, 1)} %"
