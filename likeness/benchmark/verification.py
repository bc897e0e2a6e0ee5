"""Whether a board is what its rows give, to the last digit."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from likeness.benchmark.board import Board
from likeness.benchmark.folder import BoardFolder, Settings
from likeness.benchmark.history import HistoryError
from likeness.benchmark.suite import SuiteError
from likeness.store.weights import file_hash

_KEYS = {"rows": ("system", "metric"), "differences": ("metric", "a", "b")}
_COUNTED = {"pairs": ("metric", "a", "b"), "missing": ("system", "metric", "reason")}


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a rebuild showed.

    Attributes:
        agrees: every number and hash is the same.
        cells: how many cells and differences were compared.
        problems: what differs, a sentence each.

    """

    agrees: bool
    cells: int
    problems: tuple[str, ...]


def verify(folder: BoardFolder) -> Verification:
    """Rebuild a board from its folder and compare it.

    Raises:
        BoardError: there is no board, no rows to rebuild it from, or it does not say how it was
            made.
        LikenessError: rows, votes or published figures can't be read.

    """
    board = Board.load(folder.board)
    stated = json.loads(board.to_json())
    problems = []
    try:
        events = folder.history.events()
        built = [event.board for event in events if event.event == "built"]
        if built and file_hash(folder.board) != built[-1]:
            problems.append(
                "board.json was changed after it was built: its hash is not the history's last"
            )
    except HistoryError as error:
        return Verification(agrees=False, cells=0, problems=(str(error),))
    try:
        rebuilt = folder.make(board.manifest, Settings.of(board.manifest))
    except SuiteError as error:
        return Verification(agrees=False, cells=0, problems=(*problems, str(error)))
    found = json.loads(rebuilt.to_json())
    problems += _inputs(stated["manifest"], found["manifest"])
    for part, key in _KEYS.items():
        problems += _compare(stated[part], found[part], key)
    for part, key in _COUNTED.items():
        problems += _compare(stated["manifest"][part], found["manifest"][part], key)
    for part in ("people", "published", "withdrawn"):
        if stated.get(part) != found.get(part):
            problems.append(f"{part}: the board and its rebuild differ")
    cells = len(found["rows"]) + len(found["differences"])
    return Verification(agrees=not problems, cells=cells, problems=tuple(problems))


def _inputs(stated: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Say which inputs are not those that the board was built from."""
    before, now = stated["measurements"], found["measurements"]
    for system in dict.fromkeys((*before, *now)):
        old, new = before.get(system, {}), now.get(system, {})
        for metric in dict.fromkeys((*old, *new)):
            if old.get(metric) != new.get(metric):
                yield (
                    f"rows of {system} in {metric} were edited: they hash to "
                    f"{_short(new.get(metric))}, the board was built from {_short(old.get(metric))}"
                )
    for name, key in (("suite", "hash"), ("votes", "sha256")):
        old, new = ((facts.get(name) or {}).get(key) for facts in (stated, found))
        if old != new:
            yield (
                f"the {name} is another: it hashes to {_short(new)}, the board was built from "
                f"{_short(old)}"
            )


def _short(found: str | None) -> str:
    return found[:12] if found else "nothing"


def _compare(
    stated: list[dict[str, Any]], found: list[dict[str, Any]], key: tuple[str, ...]
) -> Iterator[str]:
    """Say which fields of which cells differ."""
    before, now = ({tuple(row[k] for k in key): row for row in rows} for rows in (stated, found))
    for name in dict.fromkeys((*before, *now)):
        what = " ".join(f"{k} {v}" for k, v in zip(key, name, strict=True))
        if name not in now:
            yield f"{what}: it is on the board, and not in its rebuild"
        elif name not in before:
            yield f"{what}: it is in the rebuild, and not on the board"
        else:
            for field, value in now[name].items():
                if before[name].get(field) != value:
                    said = before[name].get(field)
                    yield f"{what}: {field} is {said} on the board, {value} rebuilt"
