"""Between which numbers true clips lie."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from likeness.store.errors import LikenessError
from likeness.store.recipes import RecipeBook
from likeness.store.records import Score


class LimitError(LikenessError):
    """Limits that leave nothing between them, or too few true clips to find any."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Where a wire trips.

    Attributes:
        low: below it; None where less is never a fault.
        high: above it; None where more is none.

    """

    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise LimitError("tripwires: a limit must have a low or a high")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise LimitError(f"tripwires: low must be under high, got {self.low} and {self.high}")

    def breached(self, values: np.ndarray) -> np.ndarray:
        """Say which values lie outside; NaN does not."""
        out = np.zeros(np.shape(values), dtype=bool)
        if self.low is not None:
            out |= values < self.low
        if self.high is not None:
            out |= values > self.high
        return out


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits by the wire's name."""

    wires: Mapping[str, Limit] = field(default_factory=dict)

    def tripped(self, scores: Iterable[Score]) -> dict[str, str]:
        """Say which wires a clip's scores trip, and how: `{"wire_colour": "31 > 18.4"}`."""
        said = {}
        for score in scores:
            limit = self.wires.get(score.reward)
            if limit is None:
                continue
            if limit.low is not None and score.value < limit.low:
                said[score.reward] = f"{score.value:.3g} < {limit.low:.3g}"
            if limit.high is not None and score.value > limit.high:
                said[score.reward] = f"{score.value:.3g} > {limit.high:.3g}"
        return said


LIMITS = RecipeBook(config=Limits, package="likeness.rewards.tripwires", root="tripwires")
"""`testbed` and `real`, each found on true pairs of its world."""


def limit_of(values: np.ndarray, *, sides: str = "both", share: float = 0.99) -> Limit:
    """Find the limits that a share of the values (n,) of true clips keeps; NaN is left out.

    With fewer values than it takes to have one outside, these are the outermost.

    Args:
        values: of true clips.
        sides: `both`, half of the rest on each side, or `high` for what can only be too much.
        share: how many of them keep the limits.

    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        raise LimitError(f"tripwires: {len(known)} true clips are too few to find limits by")
    if sides == "high":
        return Limit(high=_upper(known, 1 - share))
    rest = (1 - share) / 2
    return Limit(low=-_upper(-known, rest), high=_upper(known, rest))


def _upper(values: np.ndarray, rest: float) -> float:
    return float(np.quantile(values, 1 - rest, method="higher"))
