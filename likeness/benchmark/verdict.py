"""Ship or not, and why."""

import math
from dataclasses import dataclass

from likeness.benchmark.board import Board, BoardError, Difference
from likeness.benchmark.metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a better checkpoint must show.

    Attributes:
        goal: metric that must improve, with its whole 95 % interval above no change.
        guards: metrics that must not get worse by more than `tolerance`.
        tolerance: allowed fall of a guard, as a share of its value before.

    Raises:
        BoardError: an unknown metric, or a tolerance outside 0..1.

    """

    goal: str = "identity_target"
    guards: tuple[str, ...] = ("sync_c", "motion")
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        for name in (self.goal, *self.guards):
            if name not in METRICS or METRICS[name].better is None:
                raise BoardError(
                    f"benchmark.verdict: {name!r} is no metric with a better side; "
                    f"choose from {', '.join(METRICS)}"
                )
        if not 0 <= self.tolerance < 1:
            raise BoardError(f"benchmark.verdict.tolerance must be in 0..1, got {self.tolerance}")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer.

    Attributes:
        ship: whether every part of the rule holds.
        sentence: the answer and its reasons in one sentence.
        doubts: what the numbers leave open, a sentence each.

    """

    ship: bool
    sentence: str
    doubts: tuple[str, ...]


def verdict(board: Board, a: str = "aligned", b: str = "base", rule: Rule | None = None) -> Verdict:
    """Decide whether `a` may replace `b`.

    The guards are judged by their measured change; where a guard's interval reaches beyond the
    tolerance, that is said as a doubt.
    """
    rule = rule or Rule()
    goal_holds, said = _goal(board, rule.goal, a, b)
    parts, doubts, holds = [said], [], [goal_holds]
    for name in rule.guards:
        kept, said, doubt = _guard(board, name, a, b, rule.tolerance)
        holds.append(kept)
        parts.append(said)
        doubts += [doubt] if doubt else []
    ship = all(holds)
    head = "Ship" if ship else "Do not ship"
    return Verdict(ship=ship, sentence=f"{head}: {'; '.join(parts)}.", doubts=tuple(doubts))


def _goal(board: Board, name: str, a: str, b: str) -> tuple[bool, str]:
    label = METRICS[name].label.lower()
    difference = board.difference(name, a, b)
    if difference is None or math.isnan(difference.value):
        return False, f"{label} was not measured for both {a} and {b}"
    cases, missing = board.pair(difference)
    said = f"{label} changed by {interval_text(difference)} on {cases - missing} of {cases} cases"
    if math.isnan(difference.low):
        return False, f"{said}, and with fewer than two people there is no interval"
    gain = METRICS[name].gain
    worst, best = sorted((gain(difference.low), gain(difference.high)))
    if worst > 0:
        return True, f"{said}, an improvement"
    if best < 0:
        return False, f"{said}, and got worse"
    return False, f"{said}, which does not exclude no change"


def _guard(
    board: Board, name: str, a: str, b: str, tolerance: float
) -> tuple[bool, str, str | None]:
    """Whether the guard holds, what to say of it, and what its interval leaves open."""
    label = METRICS[name].label.lower()
    share = relative(board, board.difference(name, a, b))
    if share is None:
        return False, f"{label} could not be compared", None
    gain = METRICS[name].gain
    said = f"{label} changed by {percent(share[0])}"
    allowed = f"{100 * tolerance:g} %"
    if gain(share[0]) < -tolerance:
        return False, f"{said}, worse by more than the {allowed} allowed", None
    said += ", no loss" if gain(share[0]) >= 0 else f", within the {allowed} allowed"
    worst = min(gain(share[1]), gain(share[2]))
    if math.isnan(worst):
        return True, said, f"With fewer than two people, {label} has no interval."
    if worst < -tolerance:
        loss = f"{-100 * worst:.1f} %"
        doubt = f"The interval of {label} reaches a loss of {loss}, above the {allowed} allowed."
        return True, said, doubt
    return True, said, None


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
