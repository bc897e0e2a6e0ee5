"""TAVR's ablations of the model as tables: Figure 3, Table 3 and Table 4."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from likeness.benchmark.board import Board
from likeness.benchmark.cells import Difference
from likeness.benchmark.claims import Change, Finding, equivalent, fewer, improves, unharmed
from likeness.benchmark.grid import Grid
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.statistics import Estimate, mean_estimate
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError

ModelStudy = Literal["frames", "audio", "selection"]
AlignmentStudy = Literal["preferences", "alignment", "rewards"]
Study = ModelStudy | AlignmentStudy | Literal["stages", "losses", "movement"]
STUDIES: tuple[ModelStudy, ...] = get_args(ModelStudy)

FRAMES = (1, 5, 9, 13, 17, 25, 33, 45)  # 1 + 4k, up to the paper's 48
PAPER_FRAMES = 12  # the fewest of Figure 3
SYNC_LOSS = 0.05  # of Sync-C, that still counts as stable: the paper gives no number
KEPT = 0.01  # of identity, by which token selection may change it

IDENTITY = ("identity_ref", "identity_target")
TRENDS = (*IDENTITY, "sync_c")
COLUMNS: Mapping[Study, tuple[str, ...]] = {
    "frames": (*IDENTITY, "sync_c", "sync_d", "offset_within_1", "quality"),
    "audio": (*IDENTITY, "sync_c", "sync_d", "offset_within_1"),
    "selection": (*IDENTITY, "sync_c", "text", "leak"),
    "stages": (*IDENTITY, "sync_c", "motion", "quality", "text", "leak"),
    "movement": ("movement_follow", "manner_rank1", *IDENTITY, "sync_c", "offset_within_1"),
    "losses": (*IDENTITY, "sync_c", "motion", "quality", "text"),
    "preferences": (*IDENTITY, "sync_c", "sync_d", "motion", "quality", "text"),
    "alignment": (*IDENTITY, "sync_c", "sync_d", "offset_within_1", "motion", "quality", "text"),
    "rewards": (*IDENTITY, "sync_c", "motion", "quality", "text", "combined"),
}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A row of a table, apart from its scores.

    Attributes:
        name: the system of its measurements.
        label: name for people.
        tokens: of the reference after selection, mean over the cases; NaN where it is no matter.
        flops: of one Reference Self-Attention layer at these tokens, as in TAVR's Table 4.
        milliseconds: of a sampler's step for a clip; NaN where it was not measured.

    """

    name: str
    label: str
    tokens: float = math.nan
    flops: float = math.nan
    milliseconds: float = math.nan


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """One study.

    Attributes:
        study: which.
        title: for people.
        variants: rows in order.
        board: means, intervals and paired differences.
        trends: slopes over the rows, where they have an order.
        finding: what became of the paper's claim.
        notes: what else is worth knowing, a sentence each.

    """

    study: Study
    title: str
    variants: tuple[Variant, ...]
    board: Board
    trends: tuple[Change, ...]
    finding: Finding
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain form for JSON, null for NaN."""
        return {
            "title": self.title,
            "confirmed": self.finding.confirmed,
            "sentence": self.finding.sentence,
            "notes": list(self.notes),
            "variants": [_plain(asdict(variant)) for variant in self.variants],
            "trends": [_plain(asdict(trend)) for trend in self.trends],
            **json.loads(self.board.to_json()),
        }


@dataclass(frozen=True, kw_only=True)
class Ablations:
    """The studies of one checkpoint and what they rest on: hashes, seeds and versions."""

    studies: tuple[Ablation, ...]
    manifest: Mapping[str, Any]

    def to_json(self) -> str:
        """Write the text of ablation.json."""
        content = {
            "studies": {study.study: study.to_dict() for study in self.studies},
            "manifest": dict(self.manifest),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def save(self, path: Path) -> None:
        """Write ablation.json, whole or not at all."""
        write_bytes(path, self.to_json().encode())


def frames_study(
    measurements: Iterable[Measurement], variants: Mapping[int, Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Figure 3: identity rises with the reference's frames, and sync is stable.

    Args:
        measurements: of every variant.
        variants: frames -> its variant, at least two at or above PAPER_FRAMES.
        notes: to add.

    """
    rows, counts = list(measurements), sorted(variants)
    high = [count for count in counts if count >= PAPER_FRAMES]
    if len(high) < 2:
        raise LikenessError(
            f"Figure 3 needs two numbers of frames from {PAPER_FRAMES} on, got {counts}"
        )
    names = {count: variants[count].name for count in counts}
    pairs = [(names[b], names[a]) for a, b in pairwise(counts)]
    pairs += [(names[count], names[counts[0]]) for count in counts[1:]]
    pairs.append((names[high[-1]], names[high[0]]))
    board = Board.build(rows, list(dict.fromkeys(pairs)), {})
    grid = Grid(rows)
    trends = [_trend(grid, metric, names, part) for part in (high, counts) for metric in TRENDS]
    sync = share_of_change(board, "sync_c", names[high[-1]], names[high[0]])
    finding = Finding.of(
        f"identity rises with the reference's frames ({high[0]} to {high[-1]}) at stable sync",
        [*(improves(trend) for trend in trends[: len(IDENTITY)]), unharmed(sync, SYNC_LOSS)],
    )
    return Ablation(
        study="frames",
        title="Frames of the reference (as TAVR's Figure 3)",
        variants=tuple(variants[count] for count in counts),
        board=board,
        trends=tuple(trends),
        finding=finding,
        notes=(*notes, *board.gaps()),
    )


def audio_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Table 3: the reference's sound helps.

    Args:
        measurements: of every variant.
        variants: with the reference's own sound, without any, and with another person's.
        notes: to add.

    """
    own, none, foreign = (variant.name for variant in variants)
    pairs = [(own, none), (own, foreign), (foreign, none)]
    board = Board.build(measurements, pairs, {})
    parts = [improves(change(board, metric, own, none)) for metric in TRENDS]
    return Ablation(
        study="audio",
        title="Sound of the reference (as TAVR's Table 3)",
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of("the reference's sound helps", parts),
        notes=(*notes, *board.gaps()),
    )


def selection_study(
    measurements: Iterable[Measurement], variants: Sequence[Variant], notes: Sequence[str] = ()
) -> Ablation:
    """Judge Table 4: token selection keeps identity within 1 % at fewer tokens.

    Args:
        measurements: of every variant.
        variants: the preset's selection, all tokens that the face box touches, the whole frame.
        notes: to add.

    """
    face, touched, frame = variants
    pairs = [(face.name, frame.name), (touched.name, frame.name), (face.name, touched.name)]
    board = Board.build(measurements, pairs, {})
    parts = [
        equivalent(share_of_change(board, metric, face.name, frame.name), KEPT)
        for metric in IDENTITY
    ]
    parts.append(fewer("tokens of the reference", face.tokens, frame.tokens))
    return Ablation(
        study="selection",
        title="Selection of the reference's tokens (as TAVR's Table 4)",
        variants=tuple(variants),
        board=board,
        trends=(),
        finding=Finding.of(f"token selection keeps identity within {100 * KEPT:g} %", parts),
        notes=(*notes, *board.gaps()),
    )


def slope(grid: Grid, metric: str, systems: Sequence[str], at: Sequence[float]) -> Estimate:
    """Mean over the cases of the least-squares slope of a metric along `at`.

    A case that lacks a value in any of the systems has no slope and counts as missing.
    """
    values = np.array([grid.values(system, metric) for system in systems])  # (systems, cases)
    centred = np.asarray(at, float) - np.mean(at)
    slopes = (centred[:, None] * values).sum(0) / (centred**2).sum()
    return mean_estimate(slopes, grid.people)


def _trend(grid: Grid, metric: str, names: Mapping[int, str], counts: Sequence[int]) -> Change:
    found = slope(grid, metric, [names[c] for c in counts], np.log2(counts).tolist())
    unit = f"a doubling of the frames from {counts[0]} to {counts[-1]}"
    return Change.trend(metric, found, unit)


def _difference(board: Board, metric: str, a: str, b: str) -> Difference:
    nothing = Difference(metric=metric, a=a, b=b, value=math.nan, low=math.nan, high=math.nan)
    return board.difference(metric, a, b) or nothing


def change(board: Board, metric: str, a: str, b: str) -> Change:
    """Take how `a` differs from `b` off a board; NaN where the board does not compare them."""
    return Change.of(_difference(board, metric, a, b))


def share_of_change(board: Board, metric: str, a: str, b: str) -> Change:
    """Take the same as a share of `b`'s mean."""
    return Change.relative(board, _difference(board, metric, a, b))


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
