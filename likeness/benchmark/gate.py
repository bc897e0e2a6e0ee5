"""Ship or not, and why: superiority on a chosen metric, no loss beyond a margin on the others.

All tests are one-sided t tests of the paired difference over people, at the level of which the
95 % interval is made, and Holm's correction runs over all of them: to ship, each must hold.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from likeness.benchmark.board import Board, BoardError
from likeness.benchmark.cells import Difference
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.rule import Margin, Rule
from likeness.benchmark.significance import above, holm
from likeness.benchmark.systems import label
from likeness.benchmark.wording import interval_text, percent, reading, relative

LEVEL = 0.025  # of a one-sided test, which the ends of a 95 % interval have


@dataclass(frozen=True, kw_only=True)
class Test:
    """One condition of a gate.

    Attributes:
        metric: key of METRICS.
        kind: the metric must improve, or must not be lost by more than the margin.
        margin: in the metric's unit; 0 for superiority.
        value: mean difference a - b; NaN where it was not measured.
        low: lower end of its 95 % interval over people.
        high: upper end.
        cases: asked for.
        missing: of them without a value on one side.
        people: behind the difference.
        p: one-sided, before correction.
        p_holm: after correction over all conditions.
        holds: whether the condition is met.
        said: what the figures say, in words.

    """

    __test__ = False  # no test of pytest

    metric: str
    kind: Literal["superiority", "non-inferiority"]
    margin: float
    value: float
    low: float
    high: float
    cases: int
    missing: int
    people: int
    p: float
    p_holm: float
    holds: bool
    said: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The answer.

    Attributes:
        ship: whether every condition holds.
        a: what may replace.
        b: what is replaced.
        sentence: the answer and its reasons in one sentence.
        tests: the conditions.
        notes: what else a reader must know, a sentence each.

    """

    ship: bool
    a: str
    b: str
    sentence: str
    tests: tuple[Test, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values for JSON."""
        return asdict(self)


def gate(board: Board, a: str = "aligned", b: str = "base", rule: Rule | None = None) -> Decision:
    """Decide whether `a` may replace `b`, from the board's differences of the two.

    Raises:
        BoardError: one of them is not on the board.

    """
    for system in (a, b):
        if system not in board.systems:
            raise BoardError(f"{system} is not on the board; {', '.join(board.systems)} are")
    rule = rule or Rule()
    margins = {rule.goal: Margin(size=0.0)} | {
        name: margin for name, margin in rule.guards.items() if name != rule.goal
    }
    chances = [_chance(board, name, a, b, margin) for name, margin in margins.items()]
    tests = [
        _test(board, name, (a, b), rule, (margin, p, p_holm))
        for (name, margin), p, p_holm in zip(margins.items(), chances, holm(chances), strict=True)
    ]
    lacking = [line for name in margins if (line := _lacking(board, name, a, b, rule.missing))]
    ship = all(test.holds for test in tests) and not lacking
    head = "Ship" if ship else "Do not ship"
    reasons = "; ".join([*(test.said for test in tests), *lacking])
    return Decision(
        ship=ship,
        a=a,
        b=b,
        sentence=f"{head}: {reasons}.",
        tests=tuple(tests),
        notes=tuple(_notes(board, a, b, list(margins))),
    )


def comparable(board: Board, a: str, b: str) -> list[str]:
    """List the metrics with a better side that either system was measured in."""
    measured = {row.metric for row in board.rows if row.system in (a, b)}
    return [n for n, m in METRICS.items() if n in measured and m.better and n in board.metrics]


def _chance(board: Board, name: str, a: str, b: str, margin: Margin) -> float:
    """Chance of so good a difference, were the loss as large as the margin."""
    difference, before = board.difference(name, a, b), board.row(b, name)
    if difference is None or before is None or math.isnan(difference.value):
        return 1.0  # what was not measured can't be shown, and counts in Holm's family
    gain = METRICS[name].gain(difference.value) + margin.absolute(before.value)
    p = above(gain, difference.error, difference.people)
    return 1.0 if math.isnan(p) else p


def _test(
    board: Board,
    name: str,
    pair: tuple[str, str],
    rule: Rule,
    weighed: tuple[Margin, float, float],
) -> Test:
    margin, p, p_holm = weighed
    difference, before = board.difference(name, *pair), board.row(pair[1], name)
    goal = name == rule.goal
    cases, missing = board.pair(difference) if difference else (0, 0)
    nan = math.nan
    value, low, high = (
        (difference.value, difference.low, difference.high) if difference else (nan, nan, nan)
    )
    holds = p_holm <= LEVEL
    return Test(
        metric=name,
        kind="superiority" if goal else "non-inferiority",
        margin=margin.absolute(before.value) if before else nan,
        value=value,
        low=low,
        high=high,
        cases=cases,
        missing=missing,
        people=difference.people if difference else 0,
        p=p,
        p_holm=p_holm,
        holds=holds,
        said=_said(board, difference, margin, goal, p_holm) if difference else _unmeasured(name),
    )


def _unmeasured(name: str) -> str:
    return f"{METRICS[name].label.lower()} was not measured for both"


def _said(board: Board, difference: Difference, margin: Margin, goal: bool, p_holm: float) -> str:
    if math.isnan(difference.value):
        return _unmeasured(difference.metric)
    cases, missing = board.pair(difference)
    label_ = METRICS[difference.metric].label.lower()
    said = f"{label_} changed by {interval_text(difference)}"
    if goal:
        said += f" on {cases - missing} of {cases} cases"
    elif margin.share and (share := relative(board, difference)):
        said = f"{label_} changed by {percent(share[0])}"
        if not math.isnan(share[1]):
            said += f" [{percent(share[1])}, {percent(share[2])}]"
    if math.isnan(difference.low):
        return f"{said}, and with fewer than two people there is no interval"
    gain = METRICS[difference.metric].gain
    before = board.row(difference.b, difference.metric)
    edge = -margin.absolute(before.value) if before else math.nan
    worst, best = sorted((gain(difference.low), gain(difference.high)))
    if p_holm <= LEVEL:
        return f"{said}, an improvement" if goal else f"{said}, no loss of more than {margin}"
    if worst > edge:
        return f"{said}, which does not outlast Holm's correction (p {p_holm:.3f})"
    if best < edge:
        return f"{said}, and got worse" if goal else f"{said}, a loss of more than {margin}"
    left = "no change" if goal else f"a loss of more than {margin}"
    return f"{said}, which does not exclude {left}"


def _lacking(board: Board, name: str, a: str, b: str, allowed: float) -> str | None:
    """Say that `a` lacks more cases than `b`: what failed must not help it."""
    mine, theirs = board.row(a, name), board.row(b, name)
    if mine is None or theirs is None or mine.missing == mine.cases:
        return None
    more = mine.missing - theirs.missing
    if more <= allowed * mine.cases:
        return None
    return (
        f"{METRICS[name].label.lower()} is missing in {mine.missing} of {mine.cases} cases of "
        f"{label(a)} and in {theirs.missing} of {label(b)}, more than the {100 * allowed:g} % "
        "allowed"
    )


def _notes(board: Board, a: str, b: str, judged: Sequence[str]) -> list[str]:
    notes = []
    for difference in board.compared(a, b):
        if difference.metric not in judged and reading(difference) == "worse":
            share = relative(board, difference)
            change = percent(share[0]) if share else interval_text(difference)
            notes.append(
                f"{METRICS[difference.metric].label} is not part of the rule and got worse: "
                f"{change}."
            )
    few = [
        row.people
        for row in board.rows
        if row.system in (a, b) and row.metric in judged and row.provisional
    ]
    if few:
        notes.append(
            f"Provisional: {min(few)} people are behind it, and the board asks for "
            f"{board.manifest['minimum_people']}."
        )
    return notes
