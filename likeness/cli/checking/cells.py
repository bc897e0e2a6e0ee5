"""Planting defects and scoring what comes out; what is scored is kept and not scored again."""

import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from likeness.cli.checking.catalogue import KNOWN, REENCODED, reencoded
from likeness.cli.checking.specimens import Specimen
from likeness.rewards.base import Subject
from likeness.rewards.sets import RewardSet
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.progress import Progress, silent
from likeness.store.record import canonical_json
from likeness.store.records import Score

TRUE = "true"
CELLS, PLAN = "cells.jsonl", "plan.json"
ROOM = 256 << 20  # bytes of spoilt frames that are scored at once


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is planted.

    Attributes:
        defects: names of KNOWN.
        doses: of each defect, in (0, 1], rising.
        crfs: constant rate factors of H.264 to re-encode with.
        seed: of whatever is drawn.

    """

    defects: tuple[str, ...] = tuple(KNOWN)
    doses: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    crfs: tuple[int, ...] = (18, 23, 28, 35, 42)
    seed: int = 0

    def __post_init__(self) -> None:
        if unknown := [name for name in self.defects if name not in KNOWN]:
            raise LikenessError(f"no defect {unknown[0]!r}; there are {', '.join(KNOWN)}")
        if list(self.doses) != sorted(set(self.doses)) or not all(0 < d <= 1 for d in self.doses):
            raise LikenessError(f"check.doses must rise within 0..1, got {self.doses}")

    def cells(self) -> list[tuple[str, float]]:
        """Name what is made of each specimen: (defect, dose), H.264's dose its factor."""
        spoilt = [(name, dose) for name in self.defects for dose in self.doses]
        return [(TRUE, 0.0), *spoilt, *((REENCODED, float(crf)) for crf in self.crfs)]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Scores of one spoilt clip.

    Attributes:
        person: whose clip.
        defect: name in KNOWN, `true` or `h264`.
        dose: 0..1; of h264 the constant rate factor.
        values: reward -> value, None where there is none.
        reasons: reward -> why there is none.
        seconds: reward -> time it took, of the true clip alone; empty of others.

    """

    person: str
    defect: str
    dose: float
    values: dict[str, float | None]
    reasons: dict[str, str]
    seconds: dict[str, float]

    @property
    def key(self) -> tuple[str, str, float]:
        """What it is called by."""
        return self.person, self.defect, self.dose


class CellBook:
    """Cells on disk, one a line.

    Args:
        folder: made where it is missing.
        asked: what every cell was made under: plan, people, versions of the rewards.

    Raises:
        LikenessError: the folder holds cells of another check.

    """

    def __init__(self, folder: Path, asked: dict[str, Any]) -> None:
        self.path = folder / CELLS
        plan = canonical_json(asked)
        if (folder / PLAN).exists():
            if (folder / PLAN).read_text() != plan:
                raise LikenessError(
                    f"{folder} holds a check of other clips, defects or rewards: choose another "
                    "folder, or remove it"
                )
        else:
            write_bytes(folder / PLAN, plan.encode())
        self.cells = {cell.key: cell for cell in self._read()}

    def add(self, cells: Iterable[Cell]) -> None:
        """Keep cells."""
        fresh = list(cells)
        with self.path.open("a", encoding="utf-8") as file:
            for cell in fresh:
                file.write(json.dumps(asdict(cell)) + "\n")
        self.cells |= {cell.key: cell for cell in fresh}

    def _read(self) -> list[Cell]:
        if not self.path.exists():
            return []
        text = self.path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]  # a line cut short by an interruption is made again
        if whole != text:
            write_bytes(self.path, whole.encode())
        return [Cell(**json.loads(line)) for line in whole.splitlines()]


def fill(
    book: CellBook,
    specimens: Sequence[Specimen],
    rewards: RewardSet,
    plan: Plan,
    progress: Progress = silent,
) -> list[Cell]:
    """Score what the book lacks, person by person; return all cells asked for, in order."""
    wanted = plan.cells()
    for done, specimen in enumerate(specimens):
        progress(done, len(specimens), specimen.person)
        lacking = [c for c in wanted if (specimen.person, *c) not in book.cells]
        at_once = max(1, ROOM // specimen.clip.frames.nbytes)
        for start in range(0, len(lacking), at_once):
            group = lacking[start : start + at_once]
            book.add(_score(specimen, group, rewards, plan.seed))
    progress(len(specimens), len(specimens), "scored")
    return [book.cells[s.person, *c] for s in specimens for c in wanted]


def planted(specimen: Specimen, defect: str, dose: float, seed: int) -> Subject | str:
    """Spoil a specimen, alike for the same arguments; or say why it can't be."""
    if defect == TRUE:
        return specimen.subject
    if defect == REENCODED:
        return reencoded(specimen, int(dose))
    words = f"{specimen.person} {defect}".encode()
    return KNOWN[defect].plant(specimen, dose, np.random.default_rng([seed, *words]))


def _score(
    specimen: Specimen, wanted: list[tuple[str, float]], rewards: RewardSet, seed: int
) -> list[Cell]:
    made = {cell: planted(specimen, *cell, seed) for cell in wanted}
    seconds = _timed(specimen.subject, rewards) if (TRUE, 0.0) in made else {}
    subjects = {cell: s for cell, s in made.items() if isinstance(s, Subject)}
    rows = rewards.score(list(subjects.values()))
    width = len(rows) // max(1, len(subjects))
    scores = {cell: rows[i * width : (i + 1) * width] for i, cell in enumerate(subjects)}
    return [
        _cell(specimen.person, cell, scores.get(cell, result), seconds if cell[0] == TRUE else {})
        for cell, result in made.items()
    ]


def _cell(
    person: str,
    cell: tuple[str, float],
    scores: Sequence[Score] | Subject | str,
    seconds: dict[str, float],
) -> Cell:
    values: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    if isinstance(scores, str):
        reasons["*"] = scores
    elif not isinstance(scores, Subject):
        values = {s.reward: None if math.isnan(s.value) else s.value for s in scores}
        reasons = {s.reward: s.reason for s in scores if s.reason}
    return Cell(
        person=person,
        defect=cell[0],
        dose=cell[1],
        values=values,
        reasons=reasons,
        seconds=seconds,
    )


def _timed(subject: Subject, rewards: RewardSet) -> dict[str, float]:
    """Time each reward on a clip it has not seen; the reference is known by then.

    Finding faces, which all share, is timed by itself.
    """
    if subject.reference is not None:
        rewards.score([Subject(clip=subject.reference, reference=subject.reference)])
    seconds = {}
    start = time.perf_counter()
    rewards.faces.tracks([subject.clip])
    seconds["faces"] = time.perf_counter() - start
    for reward in rewards.rewards:
        start = time.perf_counter()
        reward.score([subject])
        seconds[reward.names[0]] = time.perf_counter() - start
    return seconds
