"""Recorded people in a workspace: read once, then cases that a generator is asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from likeness.benchmark.suite import Case
from likeness.cli.loop.own.division import (
    LEAST,
    PROMPT,
    WINDOW,
    Cast,
    Division,
    Stretch,
    divide,
    learnt,
    partners,
    plate,
)
from likeness.cli.loop.own.fitting import NAME
from likeness.cli.loop.own.footage import FootageError, Head, find_face, head, read
from likeness.cli.loop.stage import condition_of
from likeness.rewards.identity import IdentityReward
from likeness.rewards.people import looks, who_is_who
from likeness.rewards.sets import RewardSet
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.hiding import hidden_region
from likeness.store.progress import Progress, silent
from likeness.store.workspace import Workspace


@dataclass(frozen=True, kw_only=True, eq=False)
class Footing:
    """What a folder of films came to.

    Attributes:
        cast: the films of each person, divided.
        refused: why the other films can't be used, by name.

    """

    cast: Cast
    refused: Mapping[str, str]


def gather(
    paths: Mapping[str, Path],
    asked: Mapping[str, Any],
    workspace: Workspace,
    rewards: RewardSet,
    size: int,
    progress: Progress = silent,
) -> Footing:
    """Read films into the workspace, or take what an earlier call made of them.

    Args:
        paths: the films by name.
        asked: plain values that tell this turn from another; kept beside what was read.
        workspace: takes the heads, each under its person's name.
        rewards: finds faces and tells people apart.
        size: of the heads in pixels.
        progress: told after every film.

    Raises:
        FootageError: no film can be used, or the workspace holds another turn.

    """
    ledger = workspace.path / "runs" / NAME / "films.json"
    if not ledger.exists():
        found = {"asked": dict(asked), **_read_all(paths, workspace, rewards, size, progress)}
        write_bytes(ledger, json.dumps(found, indent=1).encode())
    found = json.loads(ledger.read_text(encoding="utf-8"))
    changed = [key for key, value in asked.items() if found["asked"].get(key) != value]
    if changed:
        raise FootageError(
            f"{workspace.path} holds a turn with other {' and '.join(changed)}; give the same "
            "again to go on with it, or another --out"
        )
    cast: dict[str, list[Division]] = {}
    for row in found["heads"]:
        cast.setdefault(row["person"], []).append(divide(_head(workspace, row)))
    return Footing(cast=cast, refused=found["refused"])


def _read_all(
    paths: Mapping[str, Path],
    workspace: Workspace,
    rewards: RewardSet,
    size: int,
    progress: Progress,
) -> dict[str, Any]:
    recogniser = next(r for r in rewards.rewards if isinstance(r, IdentityReward)).recogniser
    heads: dict[str, Head] = {}
    faces: dict[str, np.ndarray] = {}
    refused: dict[str, str] = {}
    for number, (name, path) in enumerate(paths.items()):
        progress(number, len(paths), f"reading {name}")
        try:
            clip = read(path)
            track = find_face(path, clip, rewards.faces, LEAST)
            heads[name] = head(name, path, clip, track, size)
        except LikenessError as error:
            refused[name] = str(error)
            continue
        faces[name] = looks(clip, track, recogniser)
    progress(len(paths), len(paths), f"{len(heads)} of {len(paths)} films can be used")
    if not heads:
        raise FootageError(_none_left(list(refused.values())))
    people = who_is_who(faces)
    rows = [_keep(workspace, heads[name], people[name]) for name in heads]
    return {"heads": rows, "refused": refused}


def _none_left(reasons: list[str]) -> str:
    more = f"; nor can the {len(reasons) - 1} others be used" if len(reasons) > 1 else ""
    return f"no film to learn from: {reasons[0]}{more}"


def _keep(workspace: Workspace, head: Head, person: str) -> dict[str, str]:
    clip = workspace.put_clip(replace(head.clip, identity=person))
    boxes = {"boxes": head.boxes, "mouths": head.mouths}
    arrays = workspace.put_array(boxes, clip=clip)
    return {"film": head.name, "person": person, "clip": clip, "arrays": arrays}


def _head(workspace: Workspace, row: Mapping[str, str]) -> Head:
    arrays = workspace.get_arrays(row["arrays"])
    return Head(
        name=row["film"],
        clip=workspace.get_clip(row["clip"]),
        boxes=arrays["boxes"],
        mouths=arrays["mouths"],
    )


def cases_to_learn_from(workspace: Workspace, cast: Cast, count: int) -> list[Case]:
    """Ask for ``count`` windows of each stretch that the generator was fitted to."""
    stretches = [(s, name) for name, divisions in cast.items() for s in learnt(divisions)]
    return _cases(workspace, cast, stretches, count)


def held_out_cases(workspace: Workspace, cast: Cast, count: int) -> list[Case]:
    """Ask for ``count`` windows of each film's held-out part, or one window with other noise."""
    stretches = [(d.held_out, name) for name, divisions in cast.items() for d in divisions]
    return _cases(workspace, cast, stretches, count)


def _cases(
    workspace: Workspace, cast: Cast, stretches: list[tuple[Stretch, str]], count: int
) -> list[Case]:
    """Make the cases: the target from a stretch, the reference from elsewhere."""
    scenes = {d.first.head.name: plate(d) for divisions in cast.values() for d in divisions}
    cases = []
    for stretch, person in stretches:
        plain = scenes[stretch.head.name]
        known = partners(stretch, cast[person])[0]
        reference = _window(workspace, known, known.start, person)
        background = workspace.put_background(plain, hidden_region(len(plain)))
        for start in stretch.starts(count):
            cases.append(
                Case(
                    identity=person,
                    reference=reference,
                    target=_window(workspace, stretch, start, person),
                    background=background,
                    prompt=PROMPT,
                    seed=len(cases),
                )
            )
    workspace.add(*(condition_of(case) for case in cases))
    return cases


def _window(workspace: Workspace, stretch: Stretch, start: int, person: str) -> str:
    window = stretch.head.clip.window(start, WINDOW)
    return workspace.put_clip(replace(window, identity=person))
