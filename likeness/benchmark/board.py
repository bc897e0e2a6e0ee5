import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from likeness.benchmark.measurements import Grid, Measurement
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.statistics import paired_difference
from likeness.benchmark.systems import label as system_label
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.records import Record, RecordError


class BoardError(LikenessError):
    """A board that can't be built or read."""


@dataclass(frozen=True, kw_only=True)
class Row(Record):
    """A cell of the board.

    Attributes:
        system: whose clips.
        metric: key of METRICS.
        value: mean over the cases that have a value; NaN where none has.
        low: lower end of its 95 % interval over people; NaN with fewer than two people.
        high: upper end.
        cases: cases asked for.
        missing: cases among them that have no value.

    """

    system: str
    metric: str
    value: float
    low: float
    high: float
    cases: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class Difference(Record):
    """Mean of a - b over the cases that have a value in both.

    Attributes:
        metric: key of METRICS.
        a: the system that should be better, such as the aligned checkpoint.
        b: what it is compared with.
        value: mean difference; NaN where no case has both.
        low: lower end of its 95 % interval over people.
        high: upper end.

    """

    metric: str
    a: str
    b: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Board:
    """Results of systems on one suite.

    `board.json` is `{rows, differences, manifest}` with the fields of Row and Difference, null
    for NaN. Of the manifest, `pairs` says how many cases each difference rests on
    (`{metric, a, b, cases, missing}`) and `missing` why values are absent
    (`{system, metric, reason, cases}`); the rest is what `build` was given.
    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    manifest: Mapping[str, Any]

    @classmethod
    def build(
        cls,
        measurements: Iterable[Measurement],
        comparisons: Sequence[tuple[str, str]],
        manifest: Mapping[str, Any],
    ) -> "Board":
        """Average measurements into a board.

        Args:
            measurements: of all systems; a case that one system lacks counts as missing there.
            comparisons: (a, b) pairs of systems to take paired differences a - b of.
            manifest: hashes, seeds and versions, JSON values.

        Raises:
            BoardError: there is nothing to average, or a compared system was not measured.
            MeasurementError: the measurements contradict each other.

        """
        grid = Grid(measurements)
        if not grid.systems:
            raise BoardError("a board needs measurements, got none; run the benchmark first")
        rows, absent = [], []
        for system in grid.systems:
            for name in (name for name in METRICS if grid.has(system, name)):
                rows.append(_row(grid, system, name))
                absent += [
                    {"system": system, "metric": name, "reason": reason, "cases": count}
                    for reason, count in grid.missing(system, name).items()
                ]
        differences, pairs = [], []
        for a, b in comparisons:
            _check_measured(grid, a, b)
            for name in (name for name in METRICS if grid.has(a, name) and grid.has(b, name)):
                difference, pair = _difference(grid, name, a, b)
                differences.append(difference)
                pairs.append(pair)
        return cls(
            rows=tuple(rows),
            differences=tuple(differences),
            manifest={**manifest, "pairs": pairs, "missing": absent},
        )

    @property
    def systems(self) -> tuple[str, ...]:
        """Systems in the order of the rows."""
        return tuple(dict.fromkeys(row.system for row in self.rows))

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics that some system has a value in, in the order of METRICS: worth a column."""
        present = {row.metric for row in self.rows if not math.isnan(row.value)}
        return tuple(name for name in METRICS if name in present)

    def gaps(self) -> list[str]:
        """Say in sentences which values are missing and why.

        A metric that no system has a value in gets one sentence a reason, without the systems.
        """
        lines = {}
        for gap in self.manifest.get("missing", ()):
            what, why = METRICS[gap["metric"]].label, gap["reason"]
            if gap["metric"] in self.metrics:
                who = system_label(gap["system"])
                lines[f"{what} of {who}: {gap['cases']} cases missing ({why})"] = None
            else:
                lines[f"{what} was not measured ({why})"] = None
        return list(lines)

    def row(self, system: str, metric: str) -> Row | None:
        """Find a cell, or None where the system was not measured in the metric."""
        return next((r for r in self.rows if (r.system, r.metric) == (system, metric)), None)

    def difference(self, metric: str, a: str, b: str) -> Difference | None:
        """Find the paired difference a - b, or None where it was not taken."""
        wanted = (metric, a, b)
        return next((d for d in self.differences if (d.metric, d.a, d.b) == wanted), None)

    def compared(self, a: str, b: str) -> list[Difference]:
        """List the differences of two systems in the metrics that are worth a column."""
        return [d for d in self.differences if (d.a, d.b) == (a, b) and d.metric in self.metrics]

    def pair(self, difference: Difference) -> tuple[int, int]:
        """Cases of a difference and how many of them lack a side."""
        wanted = (difference.metric, difference.a, difference.b)
        for pair in self.manifest["pairs"]:
            if (pair["metric"], pair["a"], pair["b"]) == wanted:
                return pair["cases"], pair["missing"]
        raise BoardError(
            f"the manifest does not count the cases of {wanted}; build the board again"
        )

    def to_json(self) -> str:
        """Write the board as the text of board.json; the same board gives the same text."""
        content = {
            "rows": [row.to_dict() for row in self.rows],
            "differences": [difference.to_dict() for difference in self.differences],
            "manifest": dict(self.manifest),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write board.json, whole or not at all."""
        write_bytes(path, self.to_json().encode())

    @classmethod
    def load(cls, path: Path) -> "Board":
        """Read board.json.

        Raises:
            BoardError: the file is missing or is no board.

        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                rows=tuple(_read(Row, row) for row in content["rows"]),
                differences=tuple(_read(Difference, row) for row in content["differences"]),
                manifest=content["manifest"],
            )
        except FileNotFoundError:
            raise BoardError(f"no board at {path}; run the benchmark first") from None
        except (KeyError, TypeError, ValueError, AttributeError, RecordError) as error:
            raise BoardError(f"{path} is no board ({error}); build it again") from None


def _row(grid: Grid, system: str, metric: str) -> Row:
    estimate = METRICS[metric].estimate(grid.values(system, metric), grid.identities)
    return Row(
        system=system,
        metric=metric,
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        cases=estimate.cases,
        missing=estimate.missing,
    )


def _difference(grid: Grid, metric: str, a: str, b: str) -> tuple[Difference, dict[str, Any]]:
    estimate = paired_difference(grid.values(a, metric), grid.values(b, metric), grid.identities)
    difference = Difference(
        metric=metric, a=a, b=b, value=estimate.value, low=estimate.low, high=estimate.high
    )
    counts = {"cases": estimate.cases, "missing": estimate.missing}
    return difference, {"metric": metric, "a": a, "b": b, **counts}


def _check_measured(grid: Grid, a: str, b: str) -> None:
    for system in (a, b):
        if system not in grid.systems:
            raise BoardError(
                f"can't compare {a} with {b}: {system} was not measured, only "
                f"{', '.join(grid.systems)} were"
            )
    if a == b:
        raise BoardError(f"can't compare {a} with itself")


def _read(kind: Any, data: Mapping[str, Any]) -> Any:
    numbers = {f.name for f in fields(kind) if f.type is float}
    return kind.from_dict(
        {
            key: math.nan if value is None and key in numbers else value
            for key, value in data.items()
        }
    )
