"""The rows behind a board: one value, or a reason for its absence, a system, case and metric."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from likeness.benchmark.metrics import METRICS
from likeness.benchmark.suite import Suite
from likeness.store.errors import LikenessError
from likeness.store.records import Record, Score


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
