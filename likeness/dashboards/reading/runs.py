"""Runs as pages show them: some at a time, and of long curves only as many points as are seen."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from likeness.store.errors import LikenessError
from likeness.store.recipes import RecipeError
from likeness.store.runs import RunError, RunFolder

LOG = "log.txt"
POINTS = 800  # of a curve: a screen shows no more
_TAIL = 16_384  # bytes of a log that are read

_BROKEN = (OSError, ValueError, KeyError, TypeError, LikenessError)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A run in a list. Of one that can't be read, the state is `unreadable` and the message why."""

    id: str
    kind: str = ""
    state: str
    step: int = 0
    created: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A metric by step: `(steps, values)`, as long as each other."""

    steps: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)


def names(workspace: Path, part: str = "") -> list[str]:
    """List the names of runs, the newest first; those that contain a text."""
    found = []
    with os.scandir(workspace / "runs") as folders:
        for entry in folders:
            if part not in entry.name:
                continue
            for file in ("run.json", LOG):  # a log alone is of a run that is starting, or failed to
                try:
                    found.append((os.stat(f"{entry.path}/{file}").st_mtime_ns, entry.name))
                    break
                except OSError:
                    continue
    return [name for _, name in sorted(found, reverse=True)]


def line_of(workspace: Path, name: str, *, starting: bool = False) -> Line:
    """Read how a run stands; ``starting`` says that a process has been started for it."""
    folder = RunFolder(workspace / "runs" / name)
    if not (folder.path / "run.json").exists():
        said = (log_tail(workspace, name, lines=1) or "").strip()
        return Line(id=name, state="starting" if starting else "failed", message=said)
    try:
        record, status = folder.record, folder.status
    except _BROKEN as error:
        why = f"{type(error).__name__}: {error}"
        return Line(id=name, state="unreadable", message=why)
    return Line(
        id=name,
        kind=record.kind,
        state=status.state,
        step=status.step,
        created=record.created,
        message=status.message,
    )


def folder_of(workspace: Path, name: str) -> RunFolder:
    """Open a run by its name.

    Raises:
        RunError: there is none of that name.

    """
    if name not in names(workspace):
        raise RunError(f"no run {name!r} here; choose one from the list")
    return RunFolder.open(workspace / "runs" / name)


def state_of(workspace: Path, name: str) -> str:
    """Return a text that is another one once a run has measured more."""
    try:
        stat = (workspace / "runs" / name / "metrics.jsonl").stat()
    except OSError:
        return ""
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def curves(workspace: Path, name: str, most: int = POINTS) -> dict[str, Curve]:
    """Read a run's metrics, evenly thinned; rows of another kind, such as evaluations, all stay."""
    path = workspace / "runs" / name / "metrics.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    rows = [row for line in _thinned(lines, most) if (row := _row(line))]
    found: dict[str, Curve] = {}
    for row in rows:
        for metric, value in row.items():
            if metric == "step" or not isinstance(value, int | float):
                continue
            curve = found.setdefault(metric, Curve())
            curve.steps.append(row["step"])
            curve.values.append(float(value))
    return found


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Average exponentially, without the pull of the beginning: weight 0 leaves values alone."""
    told: list[float] = []
    mean, known = 0.0, 0.0
    for value in values:
        mean = weight * mean + (1 - weight) * value
        known = weight * known + (1 - weight)
        told.append(mean / known)
    return told


def log_tail(workspace: Path, name: str, lines: int = 40) -> str | None:
    """Return the end of what a run that was started here has printed; None without a log."""
    path = workspace / "runs" / name / LOG
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        text = file.read().decode("utf-8", "replace")
    return "\n".join(text.splitlines()[-lines:])


def differing_settings(folders: Sequence[RunFolder]) -> dict[str, list[Any]]:
    """Return the settings in which runs differ: path -> a value each, None where there is none."""
    try:
        flat = [_flat(folder.record.recipe) for folder in folders]
    except _BROKEN as error:
        raise RecipeError(f"a recipe can't be read: {error}") from error
    paths = dict.fromkeys(path for recipe in flat for path in recipe)
    rows = {path: [recipe.get(path) for recipe in flat] for path in paths}
    return {path: row for path, row in rows.items() if any(value != row[0] for value in row)}


def _thinned(lines: list[bytes], most: int) -> list[bytes]:
    if len(lines) <= 2 * most:
        return lines
    first = _row(lines[0]) or {}
    usual = next((f'"{name}"'.encode() for name in first if name != "step"), b"")
    stride = -(-len(lines) // most)
    last = len(lines) - 1
    return [
        line
        for place, line in enumerate(lines)
        if place % stride == 0 or place == last or usual not in line
    ]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:  # the last line of a process that was killed
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int | float) else None


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat
