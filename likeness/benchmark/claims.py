"""What intervals allow to say of a paper's claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.statistics import Estimate
from likeness.benchmark.wording import percent, relative, signed
from likeness.store.records import Record


@dataclass(frozen=True, kw_only=True)
class Change(Record):
    """By how much a metric changes, with its 95 % interval over people.

    Attributes:
        metric: key of METRICS.
        value: NaN where unmeasured.
        low: lower end; NaN with fewer than two people.
        high: upper end.
        unit: of what, such as `a doubling of the frames`; empty for a plain difference.
        share: the numbers are shares of the value before, to be read in per cent.

    """

    metric: str
    value: float
    low: float
    high: float
    unit: str = ""
    share: bool = False

    @classmethod
    def of(cls, difference: Difference) -> "Change":
        """Take a board's paired difference."""
        return cls(
            metric=difference.metric,
            value=difference.value,
            low=difference.low,
            high=difference.high,
        )

    @classmethod
    def trend(cls, metric: str, slope: Estimate, unit: str) -> "Change":
        """Take a mean slope."""
        return cls(metric=metric, value=slope.value, low=slope.low, high=slope.high, unit=unit)

    @classmethod
    def relative(cls, board: Board, difference: Difference) -> "Change":
        """Take a difference as a share of what it is compared with; NaN where that is zero."""
        value, low, high = relative(board, difference) or (math.nan,) * 3
        return cls(metric=difference.metric, value=value, low=low, high=high, share=True)

    @property
    def gains(self) -> tuple[float, float]:
        """The interval turned so that positive is better: its worse and its better end."""
        gain = METRICS[self.metric].gain
        low, high = sorted((gain(self.low), gain(self.high)))
        return low, high

    def text(self) -> str:
        """Write it as `+0.012 [+0.004, +0.020] a doubling`; slopes have a digit more."""
        numbers = [self.value, self.low, self.high]
        digits = METRICS[self.metric].digits + bool(self.unit)
        value, low, high = (percent(n) if self.share else signed(n, digits) for n in numbers)
        if math.isnan(self.value):
            return "not measured"
        span = "" if math.isnan(self.low) else f" [{low}, {high}]"
        return f"{value}{span}{f' {self.unit}' if self.unit else ''}"


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that a claim needs: whether the figures show it, and what they show."""

    holds: bool
    said: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What became of a claim.

    Attributes:
        confirmed: every part of it holds.
        sentence: the answer and its reasons in one sentence.

    """

    confirmed: bool
    sentence: str

    @classmethod
    def of(cls, claim: str, parts: Sequence[Part]) -> "Finding":
        """Judge a claim, such as `reference audio helps`, by all its parts."""
        confirmed = bool(parts) and all(part.holds for part in parts)
        head = "Confirmed on the testbed" if confirmed else "Not confirmed by the testbed"
        reasons = "; ".join(part.said for part in parts)
        return cls(confirmed=confirmed, sentence=f"{head} that {claim}: {reasons}.")


def improves(change: Change) -> Part:
    """Ask for an improvement: the whole interval on the better side of no change."""
    said, unknown = _said(change)
    if unknown:
        return Part(holds=False, said=unknown)
    worst, best = change.gains
    if worst > 0:
        return Part(holds=True, said=f"{said}, better")
    told = "worse" if best < 0 else "which does not exclude no change"
    return Part(holds=False, said=f"{said}, {told}")


def above(change: Change, floor: float) -> Part:
    """Ask a mean, given as a change from nothing, to lie above a floor with its whole interval."""
    said, unknown = _said(change)
    if unknown:
        return Part(holds=False, said=unknown)
    if change.low > floor:
        return Part(holds=True, said=f"{said}, above {floor:g}")
    told = "not above" if change.high <= floor else "which does not exclude less than"
    return Part(holds=False, said=f"{said}, {told} {floor:g}")


def unharmed(change: Change, tolerance: float) -> Part:
    """Ask for no loss of more than `tolerance`: the whole interval is above it.

    The tolerance is a share where the change is one, and else in the metric's own units.
    """
    said, unknown = _said(change)
    if unknown:
        return Part(holds=False, said=unknown)
    worst, best = change.gains
    limit = f"{100 * tolerance:g} %" if change.share else f"{tolerance:g}"
    if worst > -tolerance:
        return Part(holds=True, said=f"{said}, no loss of more than {limit}")
    told = (
        "a loss of more than" if best < -tolerance else "which does not exclude a loss of more than"
    )
    return Part(holds=False, said=f"{said}, {told} {limit}")


def equivalent(change: Change, tolerance: float) -> Part:
    """Ask for no change of more than `tolerance` either way: the whole interval lies within."""
    said, unknown = _said(change)
    if unknown:
        return Part(holds=False, said=unknown)
    worst, best = change.gains
    limit = f"{100 * tolerance:g} %"
    if worst > -tolerance and best < tolerance:
        return Part(holds=True, said=f"{said}, within {limit}")
    told = f"which does not exclude a change of more than {limit}"
    if worst >= tolerance:
        told = f"better by more than {limit}"
    elif best <= -tolerance:
        told = f"worse by more than {limit}"
    return Part(holds=False, said=f"{said}, {told}")


def fewer(what: str, count: float, before: float) -> Part:
    """Ask for less of something that is counted exactly."""
    said = f"{what} {count:,.1f} instead of {before:,.1f} ({percent(count / before - 1)})"
    return Part(holds=count < before, said=said if count < before else f"{said}, not fewer")


def _said(change: Change) -> tuple[str, str]:
    """Put a change into words, and say what to put in their place where it can't be judged."""
    label = METRICS[change.metric].label.lower()
    said = f"{label} {change.text()}"
    if math.isnan(change.value) or not math.isnan(change.low):
        return said, said if math.isnan(change.value) else ""
    return said, f"{said}, and with fewer than two people there is no interval"
