"""What stands on a board: values of systems, and differences between them."""

import math
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Any, Self

import numpy as np

from likeness.benchmark.grid import Grid
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.significance import holm, rank_intervals, two_sided
from likeness.benchmark.statistics import Estimate, paired_difference
from likeness.store.records import Record


class Cell(Record):
    """A record whose missing numbers are null in JSON and NaN here."""

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild it; null is NaN where a number belongs."""
        numbers = {field.name for field in fields(cls) if field.type is float}
        return super().from_dict(
            {k: math.nan if v is None and k in numbers else v for k, v in data.items()}
        )


@dataclass(frozen=True, kw_only=True)
class Row(Cell):
    """A cell of the board.

    Attributes:
        system: whose clips.
        metric: key of METRICS.
        value: mean over the cases that have a value; NaN where none has.
        low: lower end of its 95 % interval over people; NaN with fewer than two people.
        high: upper end.
        cases: cases asked for.
        missing: cases among them that have no value.
        people: people behind the value.
        provisional: fewer people than the board asks for.
        rank_low: best rank in this metric that tests between all pairs of systems leave open;
            None where neither side is better or there is nothing to rank against.
        rank_high: worst such rank.

    """

    system: str
    metric: str
    value: float
    low: float
    high: float
    cases: int
    missing: int
    people: int = 0
    provisional: bool = False
    rank_low: int | None = None
    rank_high: int | None = None

    @property
    def bound(self) -> float:
        """The worse end of the interval, turned so that more is better; -inf where there is none.

        What a system is sorted by: a good value of few people is worth less than one of many.
        """
        gain = METRICS[self.metric].gain
        worse = min(gain(self.low), gain(self.high))
        return -math.inf if math.isnan(worse) else worse

    @property
    def ranks(self) -> str:
        """The rank interval, such as `2-3`; empty where there is none."""
        if self.rank_low is None:
            return ""
        same = self.rank_low == self.rank_high
        return f"{self.rank_low}" if same else f"{self.rank_low}-{self.rank_high}"


@dataclass(frozen=True, kw_only=True)
class Difference(Cell):
    """Mean of a - b over the cases that have a value in both.

    Attributes:
        metric: key of METRICS.
        a: the system that should be better, such as the aligned checkpoint.
        b: what it is compared with.
        value: mean difference; NaN where no case has both.
        low: lower end of its 95 % interval over people.
        high: upper end.
        people: people behind it.
        error: its standard error over people.
        p: chance of a difference so large, were there none; two-sided.
        p_holm: the same after Holm's correction over the comparisons of this metric.

    """

    metric: str
    a: str
    b: str
    value: float
    low: float
    high: float
    people: int = 0
    error: float = math.nan
    p: float = math.nan
    p_holm: float = math.nan


def rows_of(grid: Grid, metric: str, minimum: int) -> list[Row]:
    """Average a metric of all systems that were measured in it, and rank them.

    Args:
        grid: the measurements.
        metric: key of METRICS.
        minimum: people below which a value is provisional.

    """
    systems = [system for system in grid.systems if grid.has(system, metric)]
    ranks = _ranks(grid, metric, systems)
    rows = []
    for system in systems:
        found = METRICS[metric].estimate(grid.values(system, metric), grid.people)
        low, high = ranks.get(system, (None, None))
        rows.append(
            Row(
                system=system,
                metric=metric,
                value=found.value,
                low=found.low,
                high=found.high,
                cases=found.cases,
                missing=found.missing,
                people=found.people,
                provisional=found.people < minimum,
                rank_low=low,
                rank_high=high,
            )
        )
    return rows


def _ranks(grid: Grid, metric: str, systems: list[str]) -> dict[str, tuple[int, int]]:
    known = [s for s in systems if not np.isnan(grid.values(s, metric)).all()]
    if METRICS[metric].better is None or len(known) < 2:
        return {}
    gains = {}
    for a, b in combinations(known, 2):
        found = paired(grid, metric, a, b)
        gains[a, b] = METRICS[metric].gain(found.value), two_sided(found)
    return rank_intervals(known, gains)


def paired(grid: Grid, metric: str, a: str, b: str) -> Estimate:
    """Estimate a - b over the cases that have both."""
    return paired_difference(grid.values(a, metric), grid.values(b, metric), grid.people)


def differences_of(
    grid: Grid, metric: str, pairs: list[tuple[str, str]]
) -> list[tuple[Difference, dict[str, Any]]]:
    """Compare systems in a metric, with Holm's correction over the pairs.

    Returns:
        The differences, each with how many cases it rests on
        (`{metric, a, b, cases, missing}`).

    """
    found = [paired(grid, metric, a, b) for a, b in pairs]
    chances = [two_sided(estimate) for estimate in found]
    adjusted = holm(chances)
    listed = []
    for (a, b), estimate, p, p_holm in zip(pairs, found, chances, adjusted, strict=True):
        difference = Difference(
            metric=metric,
            a=a,
            b=b,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            people=estimate.people,
            error=estimate.error,
            p=p,
            p_holm=p_holm,
        )
        cases = {"cases": estimate.cases, "missing": estimate.missing}
        listed.append((difference, {"metric": metric, "a": a, "b": b, **cases}))
    return listed
