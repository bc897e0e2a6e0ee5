"""Studies of three people on short clips, made once a session and copied for each test."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from likeness.benchmark.studies.conduct.folder import StudyFolder, load, make
from likeness.benchmark.studies.conduct.rows import Rows
from likeness.benchmark.studies.conduct.sitting import Desk
from likeness.benchmark.studies.plan import Entry, StudyPlan
from likeness.store.clip import Clip

FRAMES, FPS = 10, 25.0
CASES = ("ann", "bea", "cai")
Studies = Callable[..., StudyFolder]


def clip_of(file: str) -> Clip:
    """Draw a clip, the same for the same name; clips of a person sound alike."""
    rng = np.random.default_rng(list(file.encode()))
    scene = np.full((32, 32, 3), rng.integers(40, 200, 3), np.uint8)
    frames = np.stack([scene] * FRAMES)
    for n in range(FRAMES):
        frames[n, 8:16, n + 2 : n + 10] = rng.integers(40, 200, 3)
    sound = np.random.default_rng(list(file[:3].encode())).normal(0, 0.1, round(16000 * 0.4))
    return Clip(
        frames=frames,
        fps=FPS,
        audio=sound.clip(-1, 1).astype(np.float32),
        sample_rate=16000,
        origin="recorded" if file.endswith("real") else "generated",
    )


def plan_of(kind: str, **changes: Any) -> StudyPlan:
    clips = tuple(
        Entry(case=case, system=system, file=f"{case} {system}", real=system == "real")
        for case in CASES
        for system in ("real", "model")
    )
    values: dict[str, Any] = {
        "name": "Which was filmed?",
        "kind": kind,
        "clips": clips,
        "raters": 4,
        "training": 1,
        "checks": 1,
        "repeats": 1,
        "dimensions": ("lip_sync", "visual_quality", "overall"),
    }
    return StudyPlan(**{**values, **changes})


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the folder of a study of a kind, never served."""
    folders: dict[str, Path] = {}

    def of(kind: str) -> Path:
        if kind not in folders:
            folders[kind] = tmp_path_factory.mktemp("studies") / kind
            make(plan_of(kind), clip_of, folders[kind])
        return folders[kind]

    return of


@pytest.fixture
def study(made, tmp_path: Path) -> Studies:
    """Copy a study for one test."""

    def copy(kind: str = "turing", name: str = "study") -> StudyFolder:
        shutil.copytree(made(kind), tmp_path / name)
        return load(tmp_path / name)

    return copy


@pytest.fixture
def opened() -> Iterator[Callable[..., Desk]]:
    """Open a desk for a study; its rows are closed in the end."""
    kept: list[Rows] = []

    def of(folder: StudyFolder, **settings: Any) -> Desk:
        rows = folder.rows()
        kept.append(rows)
        desk = Desk(folder, rows, **{"pace": 0.0, **settings})
        desk.open()
        return desk

    yield of
    for rows in kept:
        rows.close()
