"""What lies behind a sample's scores, frame by frame: computed once, kept in the cache."""

import json
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from likeness.store.atomic import write_bytes
from likeness.store.content import address
from likeness.store.forgetting import CACHE
from likeness.store.record import content_id
from likeness.store.records import Condition
from likeness.store.workspace import Workspace

if TYPE_CHECKING:
    from likeness.rewards.scoring.job import Outcome
    from likeness.rewards.scoring.scorer import Scorer

FOLDER = "curves"

Curves = dict[str, tuple[float | None, ...]]

_scorers: "dict[Path, Scorer]" = {}
_scoring = Lock()  # rewards are large and not made for several threads


def curves_of(workspace: Workspace, clip: str, condition: str, *, compute: bool) -> Curves | None:
    """Return a sample's curves by name, a value a frame.

    Without ``compute`` only those that were computed before, or None.

    Raises:
        WorkspaceError: the workspace has no such clip or condition.
        MediaError: the clip can't be read.

    """
    kept = address(workspace.path / CACHE / FOLDER, content_id([clip, condition]), ".json")
    if kept.is_file():
        plain = json.loads(kept.read_text())
        return {name: tuple(row) for name, row in plain.items()}
    if not compute:
        return None
    found = _curves(_outcome(workspace, clip, workspace.get(Condition, condition)))
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(kept, json.dumps(found).encode())
    return found


def _outcome(workspace: Workspace, clip: str, condition: Condition) -> "Outcome":
    # Not above: torch takes seconds to import, and pages are opened without it.
    from likeness.rewards.scoring.job import Job
    from likeness.rewards.scoring.scorer import Scorer

    job = Job(
        name=clip,
        clip=workspace.clip_path(clip),
        reference=workspace.clip_path(condition.references[0]),
        target=None if condition.target is None else workspace.clip_path(condition.target),
        prompt=condition.prompt,
        condition=condition.id,
    )
    with _scoring:
        scorer = _scorers.get(workspace.path)
        if scorer is None:
            scorer = Scorer(detail=True, cache=workspace.path / CACHE / "faces")
            _scorers[workspace.path] = scorer
        return scorer(job)


def _curves(outcome: "Outcome") -> Curves:
    details = outcome.to_dict()["details"].values()
    return {name: tuple(row) for detail in details for name, row in detail["curves"].items()}
