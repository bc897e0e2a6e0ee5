"""The rows behind a board: one value, or a reason for its absence, a system, case and metric."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from likeness.benchmark.metrics import METRICS
from likeness.benchmark.suite import Suite
from likeness.store.errors import LikenessError
from likeness.store.records import Record, Score

Series = dict[str, float]


class MeasurementError(LikenessError):
    """Rows that can't stand on one board."""


@dataclass(frozen=True, kw_only=True)
class Measurement(Record):
    """One cell of one case.

    Attributes:
        system: key of the row on the board.
        case: id of the suite's case.
        identity: who the case shows: the unit of the intervals.
        metric: key of the column.
        value: finite, or NaN exactly where `reason` is given.
        reason: why there is no value.
        clip: id of the clip behind the value; empty where there is none.

    Raises:
        MeasurementError: value and reason contradict each other.

    """

    system: str
    case: str
    identity: str
    metric: str
    value: float
    reason: str | None = None
    clip: str = ""

    def __post_init__(self) -> None:
        if math.isinf(self.value) or math.isnan(self.value) != bool(self.reason):
            raise MeasurementError(
                f"{self.metric} of {self.system} in case {self.case}: a value is finite, or NaN "
                f"with a reason, got {self.value} and {self.reason!r}"
            )

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> "Measurement":
        """Rebuild a row of a table, in which a missing value or reason may be None or NaN."""
        absent = {
            k for k, v in data.items() if v is None or (isinstance(v, float) and math.isnan(v))
        }
        plain = {key: value for key, value in data.items() if key not in absent}
        return super().from_dict({"value": math.nan, **plain})


def measure(
    suite: Suite,
    system: str,
    scores: Mapping[str, Sequence[Score]],
    metrics: Collection[str] = tuple(METRICS),
    *,
    failures: Mapping[str, str] | None = None,
) -> list[Measurement]:
    """Turn a system's scores into rows, one for every case of the suite and every metric.

    A case without scores, or without the score of a metric, becomes a row with a reason. A metric
    that no case of the system was scored for at all is left out: it does not apply.

    Args:
        suite: what was asked.
        system: whose clips were scored.
        scores: case id -> scores of the clip made for it, of several a reward the last counts.
        metrics: keys of METRICS to take.
        failures: case id -> why it has no clip. Where no case has one, every metric gets its rows.

    Raises:
        MeasurementError: a case is not the suite's.

    """
    foreign = sorted(set(scores) - {case.id for case in suite.cases})
    if foreign:
        raise MeasurementError(
            f"system {system} has scores for case {foreign[0]}, which is not in suite "
            f"{suite.name!r} ({suite.hash[:12]}); run it on this suite"
        )
    scored = {score.reward for rows in scores.values() for score in rows}
    failed = failures or {}
    everything = bool(failed) and not scored  # a system that failed everywhere is not left out
    columns = [METRICS[name] for name in metrics if everything or METRICS[name].reward in scored]
    measurements = []
    for case in suite.cases:
        found = {score.reward: score for score in scores.get(case.id, ())}
        clip = next((score.clip for score in found.values()), "")
        for column in columns:
            score = found.get(column.reward)
            why = "not scored" if found else failed.get(case.id, "no clip for this case")
            measurements.append(
                Measurement(
                    system=system,
                    case=case.id,
                    identity=case.identity,
                    metric=column.name,
                    value=column.of(score.value) if score else math.nan,
                    reason=score.reason if score else why,
                    clip=clip,
                )
            )
    return measurements


def reward_versions(scores: Iterable[Score]) -> dict[str, dict[str, str]]:
    """Name the version and weights of each reward, for the board's manifest.

    Raises:
        MeasurementError: one reward scored in two versions or with two weights: such numbers
            can't be compared.

    """
    versions: dict[str, dict[str, str]] = {}
    for score in scores:
        mine = {"version": score.version, "weights": score.weights}
        known = versions.setdefault(score.reward, mine)
        if known != mine:
            raise MeasurementError(
                f"reward {score.reward} comes in two versions ({known['version']} "
                f"{known['weights'][:12]} and {score.version} {score.weights[:12]}); "
                "score all clips again with one"
            )
    return versions


class Grid:
    """Measurements by system and metric, every system over the same cases.

    Args:
        measurements: rows in any order; a case that one system lacks is missing there.

    Raises:
        MeasurementError: two rows for one cell, or two people for one case.

    """

    def __init__(self, measurements: Iterable[Measurement]) -> None:
        self.people: dict[str, str] = {}
        self.reasons: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        self._values: dict[tuple[str, str], Series] = {}
        for row in measurements:
            if self.people.setdefault(row.case, row.identity) != row.identity:
                raise MeasurementError(
                    f"case {row.case} shows {self.people[row.case]} in one row and "
                    f"{row.identity} in another"
                )
            series = self._values.setdefault((row.system, row.metric), {})
            if row.case in series:
                raise MeasurementError(
                    f"{row.metric} of {row.system} in case {row.case} is there twice; "
                    "keep the latest row"
                )
            series[row.case] = row.value
            if row.reason:
                self.reasons[row.system, row.metric][row.case] = row.reason

    @property
    def systems(self) -> tuple[str, ...]:
        """Systems in the order they came."""
        return tuple(dict.fromkeys(system for system, _ in self._values))

    @property
    def identities(self) -> list[str]:
        """The person of each case, in the order of `values`."""
        return list(self.people.values())

    def has(self, system: str, metric: str) -> bool:
        """Whether the system was measured in this metric at all."""
        return (system, metric) in self._values

    def values(self, system: str, metric: str) -> list[float]:
        """One value a case, NaN where there is none."""
        series = self._values[system, metric]
        return [series.get(case, math.nan) for case in self.people]

    def missing(self, system: str, metric: str) -> dict[str, int]:
        """How many cases have no value, by reason."""
        reasons = self.reasons.get((system, metric), {})
        series = self._values[system, metric]
        counts: dict[str, int] = defaultdict(int)
        for case in self.people:
            if case not in series:
                counts["not measured"] += 1
            elif case in reasons:
                counts[reasons[case]] += 1
        return dict(counts)

    def spread(self, metric: str, a: str, b: str, count: int) -> list[str]:
        """Choose cases to show without choosing favourites.

        Returns:
            Up to `count` case ids, evenly spaced by rank from the greatest loss to the greatest
            gain of `a` over `b`; cases that lack a side are left out.

        """
        gain = METRICS[metric].gain
        sides = zip(self.people, self.values(a, metric), self.values(b, metric), strict=True)
        ranked = sorted((gain(x - y), case) for case, x, y in sides if not math.isnan(x - y))
        last = len(ranked) - 1
        places = dict.fromkeys(round(i * last / max(1, count - 1)) for i in range(count))
        return [ranked[place][1] for place in places if ranked]
