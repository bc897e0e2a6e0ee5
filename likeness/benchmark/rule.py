"""What a checkpoint must show to be shipped."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from likeness.benchmark.board import BoardError
from likeness.benchmark.metrics import METRICS


@dataclass(frozen=True, kw_only=True)
class Margin:
    """What may be lost of a metric.

    Attributes:
        size: how much, not below 0.
        share: the size is a share of the value before, else in the metric's own unit.

    Raises:
        BoardError: the size is negative, or a share of 1 or more.

    """

    size: float
    share: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.size < (1 if self.share else math.inf):
            raise BoardError(
                f"a margin is a share of the value before such as 2%, or a number not below 0, "
                f"got {self}"
            )

    @classmethod
    def of(cls, text: str) -> "Margin":
        """Read `2%` or `0.1`.

        Raises:
            BoardError: it is neither.

        """
        share = text.strip().endswith("%")
        try:
            size = float(text.strip().rstrip("%"))
        except ValueError:
            raise BoardError(f"a margin is such as 2% or 0.1, got {text!r}") from None
        return cls(size=size / 100 if share else size, share=share)

    def absolute(self, before: float) -> float:
        """Give it in the metric's unit, from the value before."""
        return self.size * abs(before) if self.share else self.size

    def __str__(self) -> str:
        return f"{100 * self.size:g} %" if self.share else f"{self.size:g}"


SMALL = Margin(size=0.02)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What a better checkpoint must show.

    Attributes:
        goal: metric that must improve.
        guards: metric -> what may be lost of it.
        missing: how many more cases it may lack than what it replaces, as a share of all.

    Raises:
        BoardError: an unknown metric or one without a better side, or a share outside 0..1.

    """

    goal: str = "identity_target"
    guards: Mapping[str, Margin] = field(default_factory=lambda: {"sync_c": SMALL, "motion": SMALL})
    missing: float = 0.02

    def __post_init__(self) -> None:
        for name in (self.goal, *self.guards):
            if name not in METRICS or METRICS[name].better is None:
                raise BoardError(
                    f"benchmark.gate: {name!r} is no metric with a better side; "
                    f"choose from {', '.join(METRICS)}"
                )
        if not 0 <= self.missing < 1:
            raise BoardError(f"benchmark.gate.missing must be in 0..1, got {self.missing}")

    @property
    def tolerance(self) -> float:
        """The share that all guards have as margin; 0 where they differ."""
        shares = {margin.size for margin in self.guards.values() if margin.share}
        return shares.pop() if len(shares) == 1 else 0.0
