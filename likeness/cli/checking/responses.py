"""What the cells say: dose and response, monotony, rank correlation, what codecs do, time."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.stats import spearmanr

from likeness.benchmark.statistics import Estimate, mean_estimate, paired_difference, share_estimate
from likeness.cli.checking.catalogue import KNOWN, REENCODED, oriented
from likeness.cli.checking.cells import TRUE, Cell
from likeness.rewards.combine.combination import Combination
from likeness.store.records import Score

ALLOWED = 0.05  # of a curve's range that a mean may rise again and still count as falling
COMBINED = "combined"
SHARE = 0.95  # of clips that must be ranked right


@dataclass(frozen=True, kw_only=True)
class Response:
    """How one reward answers one defect.

    Attributes:
        defect: name in KNOWN, or h264.
        reward: a reward's name.
        own: whether the reward is the one that is to tell the defect.
        doses: the doses, rising, without 0.
        changes: of the value from the true clip, at each dose, with intervals over people; as
            the reward counts, so that lower is better for sync_d and sync_offset, the latter by
            its distance from 0.
        rank: mean over people of Spearman's correlation of dose with goodness; -1 is perfect.
        violation: greatest distance of the mean curve from the nearest falling curve, as a share
            of its range; 0 is monotone. NaN where the curve is flat.

    """

    defect: str
    reward: str
    own: bool
    doses: tuple[float, ...]
    changes: tuple[Estimate, ...]
    rank: Estimate
    violation: float

    @property
    def falls(self) -> bool:
        """Whether goodness falls with the dose where it should, beyond doubt at the greatest."""
        last = self.changes[-1]
        worse = max(sign(self.reward) * last.low, sign(self.reward) * last.high) < 0
        steady = self.defect not in KNOWN or KNOWN[self.defect].steady
        return worse and (self.violation <= ALLOWED or not steady)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One assertion, with what was measured.

    Attributes:
        claim: in plain words.
        measured: likewise.
        holds: whether it does.

    """

    claim: str
    measured: str
    holds: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """All that a check found.

    Attributes:
        people: whose clips were spoilt.
        levels: reward -> mean of the true clips.
        responses: every reward's answer to every defect and to re-encoding.
        seconds: `faces` and the first name of each reward -> median time a true clip.
        findings: what a check asserts.
        asked: plan and versions of rewards.

    """

    people: tuple[str, ...]
    levels: dict[str, Estimate]
    responses: tuple[Response, ...]
    seconds: dict[str, float]
    findings: tuple[Finding, ...]
    asked: dict[str, Any]

    def response(self, defect: str, reward: str) -> Response | None:
        """Look one up."""
        return next((r for r in self.responses if (r.defect, r.reward) == (defect, reward)), None)

    def to_dict(self) -> dict[str, Any]:
        """Write everything as JSON values; NaN is left for the writer."""
        return {
            "asked": self.asked,
            "people": self.people,
            "levels": {name: asdict(level) for name, level in self.levels.items()},
            "responses": [{**asdict(r), "falls": r.falls} for r in self.responses],
            "seconds": self.seconds,
            "findings": [asdict(f) for f in self.findings],
        }


class Table:
    """Values of cells by reward, defect and dose, one a person; NaN where there is none."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self.people = tuple(dict.fromkeys(cell.person for cell in cells))
        self.rewards = tuple(dict.fromkeys(name for cell in cells for name in cell.values))
        self._cells = {cell.key: cell for cell in cells}
        self.doses: dict[str, list[float]] = {}
        for _, defect, dose in self._cells:
            if dose not in self.doses.setdefault(defect, []):
                self.doses[defect].append(dose)

    def good(self, reward: str, defect: str = TRUE, dose: float = 0.0) -> np.ndarray:
        """Take one value a person, turned so that higher is better."""
        found = [self._cells[p, defect, dose].values.get(reward) for p in self.people]
        return np.array([math.nan if v is None else oriented(reward, v) for v in found])


def combined(cells: Sequence[Cell], combination: Combination) -> list[Cell]:
    """Add the combined reward to cells that have scores."""
    return [_with_total(cell, combination) if cell.values else cell for cell in cells]


def report(cells: Sequence[Cell], asked: dict[str, Any]) -> Report:
    """Sum a check's cells up."""
    table = Table(cells)
    defects = [name for name in (*KNOWN, REENCODED) if name in table.doses]
    responses = tuple(
        found
        for defect in defects
        for reward in table.rewards
        if (found := _response(table, defect, reward)) is not None
    )
    times = [cell.seconds for cell in cells if cell.seconds]
    return Report(
        people=table.people,
        levels={
            name: mean_estimate((sign(name) * table.good(name)).tolist(), table.people)
            for name in table.rewards
        },
        responses=responses,
        seconds={name: float(np.median([t[name] for t in times])) for name in (times or [{}])[0]},
        findings=tuple(_findings(table, responses)),
        asked=asked,
    )


def sign(reward: str) -> float:
    """Give 1 where higher is better, -1 where lower is."""
    return oriented(reward, 1.0)


def violation_of(curve: np.ndarray) -> float:
    """Measure by how much a curve fails to fall, as a share of its range; NaN where it is flat."""
    span = float(np.ptp(curve))
    if not span > 0:
        return math.nan
    nearest = isotonic_regression(curve, increasing=False).x
    return float(np.abs(curve - nearest).max() / span)


def _with_total(cell: Cell, combination: Combination) -> Cell:
    scores = [
        Score.missing(
            clip=cell.person, reward=name, reason=cell.reasons.get(name, "not scored"), version=""
        )
        if value is None
        else Score(clip=cell.person, reward=name, value=value, version="")
        for name, value in cell.values.items()
    ]
    total = combination.total(scores)
    if math.isnan(total.value):
        reasons = {**cell.reasons, COMBINED: total.reason or "nothing is known"}
        return replace(cell, values={**cell.values, COMBINED: None}, reasons=reasons)
    return replace(cell, values={**cell.values, COMBINED: total.value})


def _monotony(values: np.ndarray) -> float:
    """Rank correlation of values with their order."""
    found: Any = spearmanr(range(len(values)), values)
    return float(found.statistic)


def _response(table: Table, defect: str, reward: str) -> Response | None:
    doses = table.doses[defect]
    curves = np.stack([table.good(reward), *(table.good(reward, defect, d) for d in doses)])
    if not np.isfinite(curves[1:]).any() or not np.isfinite(curves[0]).any():
        return None
    turned = sign(reward) * curves
    whole = curves[:, np.isfinite(curves).all(axis=0)]
    ranks = [_monotony(c) if np.isfinite(c).all() and np.ptp(c) > 0 else math.nan for c in curves.T]
    return Response(
        defect=defect,
        reward=reward,
        own=defect in KNOWN and KNOWN[defect].own == reward,
        doses=tuple(doses),
        changes=tuple(
            paired_difference(row.tolist(), turned[0].tolist(), table.people) for row in turned[1:]
        ),
        rank=mean_estimate(ranks, table.people),
        violation=violation_of(whole.mean(axis=1)) if whole.size else math.nan,
    )


def _findings(table: Table, responses: Sequence[Response]) -> list[Finding]:
    findings = []
    for r in responses:
        if r.own:
            rank = f"rank correlation {r.rank.value:.2f}"
            findings.append(
                Finding(
                    claim=f"{r.reward} gets worse with {r.defect}",
                    measured=f"{rank}, violation {100 * r.violation:.1f} % of the range",
                    holds=r.falls,
                )
            )
    others = [d for d in KNOWN if d in table.doses and d != "other_face"]
    if "other_face" in table.doses and "identity_ref" in table.rewards:
        swapped = _strongest(table, "identity_ref", "other_face")
        rest = [table.good("identity_ref"), *(_strongest(table, "identity_ref", d) for d in others)]
        lowest = np.nanmin(np.stack(rest), axis=0)
        hits = np.where(np.isfinite(swapped), (swapped < lowest).astype(float), math.nan)
        findings.append(_shared("identity ranks the swapped face last", hits, table.people))
    if COMBINED in table.rewards:
        for defect in (d for d in KNOWN if d in table.doses):
            spoilt, true = _strongest(table, COMBINED, defect), table.good(COMBINED)
            hits = np.where(np.isfinite(spoilt + true), (true > spoilt).astype(float), math.nan)
            claim = f"the combined reward prefers the true clip to {defect}"
            if np.isfinite(hits).any():
                findings.append(_shared(claim, hits, table.people))
    return findings


def _strongest(table: Table, reward: str, defect: str) -> np.ndarray:
    return table.good(reward, defect, table.doses[defect][-1])


def _shared(claim: str, hits: np.ndarray, people: Sequence[str]) -> Finding:
    share = share_estimate(hits.tolist(), people)
    interval = f"{100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}]"
    return Finding(
        claim=claim,
        measured=f"{interval} of {share.people} people",
        holds=bool(share.value >= SHARE),
    )
