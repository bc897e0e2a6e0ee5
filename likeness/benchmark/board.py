import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from likeness.benchmark.cells import Difference, Row, differences_of, rows_of
from likeness.benchmark.grid import Grid
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.published.rows import Published
from likeness.benchmark.systems import label as system_label
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.records import RecordError, content_id

MINIMUM_PEOPLE = 10


class BoardError(LikenessError):
    """A board that can't be built or read."""


@dataclass(frozen=True, kw_only=True)
class Board:
    """Results of systems on one suite.

    `board.json` is `{rows, differences, manifest}` with the fields of Row and Difference, null
    for NaN; where there are any, also `people` (what people said of the systems), `published`
    and `withdrawn`. Of the manifest, `pairs` says how many cases each difference rests on
    (`{metric, a, b, cases, missing}`), `missing` why values are absent
    (`{system, metric, reason, cases}`), and `measurements` names the rows of each system and
    metric by their hash; the rest is what `build` was given.

    Attributes:
        rows: a cell for each system and metric that it was measured in.
        differences: of the systems that were compared.
        manifest: what the board rests on.
        people: ranking of the systems by people's votes, and how far each metric agrees with it.
        published: figures of papers, which no test or rank takes in.
        withdrawn: systems taken off the board: `{system, reason, by, created}`.

    """

    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    manifest: Mapping[str, Any]
    people: Mapping[str, Any] | None = None
    published: tuple[Published, ...] = ()
    withdrawn: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def build(
        cls,
        measurements: Iterable[Measurement] | Grid,
        comparisons: Sequence[tuple[str, str]],
        manifest: Mapping[str, Any],
        minimum: int = MINIMUM_PEOPLE,
    ) -> "Board":
        """Average measurements into a board.

        Args:
            measurements: of all systems; a case that one system lacks counts as missing there.
            comparisons: (a, b) pairs of systems to take paired differences a - b of.
            manifest: hashes, seeds and versions, JSON values.
            minimum: people below which a value is provisional.

        Raises:
            BoardError: there is nothing to average, or a compared system was not measured.
            MeasurementError: the measurements contradict each other.

        """
        grid = measurements if isinstance(measurements, Grid) else Grid(measurements)
        if not grid.systems:
            raise BoardError("a board needs measurements, got none; run the benchmark first")
        cells = {
            (row.system, row.metric): row
            for name in METRICS
            for row in rows_of(grid, name, minimum)
        }
        rows = [cells[s, name] for s in grid.systems for name in METRICS if (s, name) in cells]
        absent = [
            {"system": row.system, "metric": row.metric, "reason": reason, "cases": count}
            for row in rows
            for reason, count in grid.missing(row.system, row.metric).items()
        ]
        for a, b in comparisons:
            _check_measured(grid, a, b)
        found: dict[tuple[str, str, str], tuple[Difference, dict[str, Any]]] = {}
        for name in METRICS:
            pairs = [(a, b) for a, b in comparisons if grid.has(a, name) and grid.has(b, name)]
            for difference, counts in differences_of(grid, name, pairs):
                found[difference.a, difference.b, name] = difference, counts
        listed = [
            found[a, b, name] for a, b in comparisons for name in METRICS if (a, b, name) in found
        ]
        facts = {
            "comparisons": [list(pair) for pair in comparisons],
            "minimum_people": minimum,
            "measurements": grid.hashes(),
            "clips": clip_hashes(grid),
            "pairs": [counts for _, counts in listed],
            "missing": absent,
        }
        return cls(
            rows=tuple(rows),
            differences=tuple(difference for difference, _ in listed),
            manifest={**manifest, **facts},
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

    def order(self, metric: str) -> tuple[str, ...]:
        """Sort systems by the worse end of their interval, the best first; the unmeasured last."""
        bounds = {row.system: row.bound for row in self.rows if row.metric == metric}
        return tuple(sorted(self.systems, key=lambda name: -bounds.get(name, -math.inf)))

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
        content: dict[str, Any] = {
            "rows": [row.to_dict() for row in self.rows],
            "differences": [difference.to_dict() for difference in self.differences],
            "manifest": dict(self.manifest),
        }
        if self.people is not None:
            content["people"] = dict(self.people)
        if self.published:
            content["published"] = [figure.to_dict() for figure in self.published]
        if self.withdrawn:
            content["withdrawn"] = [dict(one) for one in self.withdrawn]
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
                rows=tuple(Row.from_dict(row) for row in content["rows"]),
                differences=tuple(Difference.from_dict(d) for d in content["differences"]),
                manifest=content["manifest"],
                people=content.get("people"),
                published=tuple(map(Published.from_dict, content.get("published", ()))),
                withdrawn=tuple(content.get("withdrawn", ())),
            )
        except FileNotFoundError:
            raise BoardError(f"no board at {path}; run the benchmark first") from None
        except (KeyError, TypeError, ValueError, AttributeError, RecordError) as error:
            raise BoardError(f"{path} is no board ({error}); build it again") from None


def clip_hashes(grid: Grid) -> dict[str, str]:
    """Name the clips of each system by one hash over its cases and clip ids."""
    return {system: content_id(clips) for system in grid.systems if (clips := grid.clips(system))}


def _check_measured(grid: Grid, a: str, b: str) -> None:
    for system in (a, b):
        if system not in grid.systems:
            raise BoardError(
                f"can't compare {a} with {b}: {system} was not measured, only "
                f"{', '.join(grid.systems)} were"
            )
    if a == b:
        raise BoardError(f"can't compare {a} with itself")
