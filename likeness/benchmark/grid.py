"""Measurements in columns: what a board is averaged from, a million rows in a second or two."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from likeness.benchmark.measurements import Measurement, MeasurementError
from likeness.benchmark.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = tuple(field.name for field in fields(Measurement))
_BETWEEN = "\x1f"  # no name holds it


class Grid:
    """Measurements by system, metric and case, every system over the same cases.

    Args:
        rows: measurements, or a table with their columns, in any order; a case that one system
            lacks is missing there.
        asked: case -> person of every case that was asked for; one of which no system has a row
            is missing everywhere. Without it the cases are those that the rows name.

    Attributes:
        systems: in the order they came.
        cases: likewise.
        people: code of the person whom each case shows, (cases,).
        names: of the people, by code.

    Raises:
        MeasurementError: a row contradicts itself, two rows are for one cell, a case shows two
            people, or was not asked for.

    """

    def __init__(
        self,
        rows: "Iterable[Measurement] | pd.DataFrame",
        asked: Mapping[str, str] | None = None,
    ) -> None:
        import pandas as pd

        if not isinstance(rows, pd.DataFrame):
            rows = pd.DataFrame([vars(row) for row in rows], columns=list(COLUMNS))
        codes: dict[str, np.ndarray] = {}
        names: dict[str, tuple[str, ...]] = {}
        for column in ("system", "metric", "case", "identity", "reason", "clip"):
            codes[column], found = pd.factorize(rows[column])
            names[column] = tuple(str(name) for name in found)
        values = rows["value"].to_numpy(float, na_value=np.nan)
        _check_rows(values, codes, names)
        self.systems, self.cases = names["system"], names["case"]
        self._metrics = {name: code for code, name in enumerate(names["metric"])}
        self.names, self._reasons, self._clips = names["identity"], names["reason"], names["clip"]
        self.people = _people(codes, names)
        if asked is not None:
            self._ask(asked)
        self._shape = (len(self.systems), len(self._metrics), len(self.cases))
        _, metrics, cases = self._shape
        cell = (codes["system"] * metrics + codes["metric"]) * cases + codes["case"]
        _refuse_doubles(cell, codes, names, int(np.prod(self._shape)))
        self._present = self._placed(cell, np.ones(len(cell), bool), False)
        self._values = self._placed(cell, values, math.nan)
        self._reason = self._placed(cell, codes["reason"].astype(np.int32), -1)
        self._clip = self._placed(cell, codes["clip"].astype(np.int32), -1)

    def _ask(self, asked: Mapping[str, str]) -> None:
        for case, person in zip(self.cases, self.people, strict=True):
            if case not in asked:
                raise MeasurementError(f"case {case} is not the suite's; measure the suite's cases")
            if asked[case] != self.names[person]:
                raise MeasurementError(
                    f"case {case} shows {asked[case]} in the suite and {self.names[person]} in "
                    "the measurements"
                )
        known = set(self.cases)
        lacking = [case for case in asked if case not in known]
        self.cases += tuple(lacking)
        self.names += tuple(sorted({asked[case] for case in lacking} - set(self.names)))
        codes = {name: code for code, name in enumerate(self.names)}
        more = np.array([codes[asked[case]] for case in lacking], self.people.dtype)
        self.people = np.concatenate([self.people, more])

    def _placed(self, cell: np.ndarray, what: np.ndarray, otherwise: Any) -> np.ndarray:
        whole = np.full(int(np.prod(self._shape)), otherwise, what.dtype)
        whole[cell] = what
        return whole.reshape(self._shape)

    def _at(self, system: str, metric: str) -> tuple[int, int]:
        return self._codes[system], self._metrics[metric]

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.systems)}

    @property
    def identities(self) -> list[str]:
        """The person of each case, in the order of `values`."""
        return [self.names[code] for code in self.people]

    def has(self, system: str, metric: str) -> bool:
        """Whether the system was measured in this metric at all."""
        if system not in self._codes or metric not in self._metrics:
            return False
        return bool(self._present[self._at(system, metric)].any())

    def values(self, system: str, metric: str) -> np.ndarray:
        """One value a case, NaN where there is none, (cases,)."""
        return self._values[self._at(system, metric)]

    def missing(self, system: str, metric: str) -> dict[str, int]:
        """How many cases have no value, by reason."""
        at = self._at(system, metric)
        given = self._reason[at][self._present[at]]
        counts = np.bincount(given[given >= 0], minlength=len(self._reasons))
        found = {self._reasons[code]: int(counts[code]) for code in np.flatnonzero(counts)}
        absent = int((~self._present[at]).sum())
        return found | ({"not measured": absent} if absent else {})

    def hashes(self) -> dict[str, dict[str, str]]:
        """Name the rows of each system and metric by the SHA-256 of what they say.

        Their order plays no part; case, person, value to the last bit, reason and clip do.
        """
        order = np.array(sorted(range(len(self.cases)), key=lambda code: self.cases[code]), int)
        return {
            system: {
                metric: self._hash(system, metric, order)
                for metric in sorted(self._metrics)
                if self.has(system, metric)
            }
            for system in self.systems
        }

    def _hash(self, system: str, metric: str, order: np.ndarray) -> str:
        at = self._at(system, metric)
        there = order[self._present[at][order]]
        told: list[str] = []
        told += (self.cases[code] for code in there)
        told += (self.names[code] for code in self.people[there])
        told += (self._reasons[code] if code >= 0 else "" for code in self._reason[at][there])
        told += (self._clips[code] if code >= 0 else "" for code in self._clip[at][there])
        values = self._values[at][there]
        numbers = np.where(np.isnan(values), np.nan, values).astype("<f8").tobytes()
        return hashlib.sha256(_BETWEEN.join(told).encode() + numbers).hexdigest()

    def clips(self, system: str) -> dict[str, str]:
        """Case -> id of the clip that the system's values are of, where there is one."""
        held = self._clip[self._codes[system]].max(0)
        return {
            self.cases[case]: self._clips[code]
            for case, code in enumerate(held)
            if code >= 0 and self._clips[code]
        }

    def spread(self, metric: str, a: str, b: str, count: int) -> list[str]:
        """Choose cases to show without choosing favourites.

        Returns:
            Up to `count` case ids, evenly spaced by rank from the greatest loss to the greatest
            gain of `a` over `b`; cases that lack a side are left out.

        """
        gain = METRICS[metric].gain
        changes = (self.values(a, metric) - self.values(b, metric)).tolist()
        ranked = sorted(
            (gain(change), case)
            for case, change in zip(self.cases, changes, strict=True)
            if not math.isnan(change)
        )
        last = len(ranked) - 1
        places = dict.fromkeys(round(i * last / max(1, count - 1)) for i in range(count))
        return [ranked[place][1] for place in places if ranked]


def _check_rows(
    values: np.ndarray, codes: dict[str, np.ndarray], names: dict[str, tuple[str, ...]]
) -> None:
    """Refuse rows that lack a name, or whose value and reason contradict each other."""
    for column in ("system", "metric", "case", "identity"):
        if (lacking := np.flatnonzero(codes[column] < 0)).size:
            raise MeasurementError(f"row {lacking[0] + 1} of the measurements has no {column}")
    reasons = np.array([bool(name) for name in names["reason"]] + [False])[codes["reason"]]
    wrong = np.flatnonzero(np.isinf(values) | (np.isnan(values) != reasons))
    if wrong.size:
        told = {
            name: names[name][codes[name][wrong[0]]]
            for name in ("system", "metric", "case", "identity")
        }
        reason = codes["reason"][wrong[0]]
        said = names["reason"][reason] if reason >= 0 else None
        Measurement(**told, value=float(values[wrong[0]]), reason=said)  # says what is wrong
    if unknown := sorted(set(names["metric"]) - METRICS.keys()):
        raise MeasurementError(
            f"no metric is called {unknown[0]!r}; choose from {', '.join(METRICS)}"
        )


def _people(codes: dict[str, np.ndarray], names: dict[str, tuple[str, ...]]) -> np.ndarray:
    """Code of the person of each case."""
    people = np.full(len(names["case"]), -1)
    people[codes["case"][::-1]] = codes["identity"][::-1]  # the first that comes stays
    other = np.flatnonzero(people[codes["case"]] != codes["identity"])
    if other.size:
        case, identity = codes["case"][other[0]], codes["identity"][other[0]]
        raise MeasurementError(
            f"case {names['case'][case]} shows {names['identity'][people[case]]} in one row and "
            f"{names['identity'][identity]} in another"
        )
    return people


def _refuse_doubles(
    cell: np.ndarray,
    codes: dict[str, np.ndarray],
    names: dict[str, tuple[str, ...]],
    cells: int,
) -> None:
    twice = np.flatnonzero(np.bincount(cell, minlength=cells)[cell] > 1) if len(cell) else cell
    if len(twice):
        system, metric, case = (names[n][codes[n][twice[0]]] for n in ("system", "metric", "case"))
        raise MeasurementError(
            f"{metric} of {system} in case {case} is there twice; keep the latest row"
        )
