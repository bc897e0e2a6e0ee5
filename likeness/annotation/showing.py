"""What a rater's browser is given: the files of each view, and the data of its task."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from likeness.annotation.layout import label_config, task_data
from likeness.annotation.media import alone, compose, mark_of, write_view
from likeness.annotation.server.place import MEDIA
from likeness.annotation.server.posting import Queue
from likeness.store.atomic import replacing
from likeness.store.errors import LikenessError
from likeness.store.judgements import Assignment, Comparison
from likeness.store.progress import Progress, silent
from likeness.store.raters import CampaignRows
from likeness.store.records import Condition
from likeness.store.workspace import Workspace, WorkspaceError

SERVED = "/data/local-files/?d="  # where Label Studio serves files of its document root


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A rater's queue with its files written.

    Attributes:
        queue: what is to be posted.
        folder: of the files, below the folder that is served.
        notes: by assignment, what had to be cut or why it is left out.

    """

    queue: Queue
    folder: str
    notes: Mapping[str, str]


def show(
    workspace: Workspace,
    rows: CampaignRows,
    rater: str,
    *,
    media_url: str | None = None,
    progress: Progress = silent,
) -> Shown:
    """Write the files of a rater's views, those that aren't there yet, and make their tasks.

    A view of a clip that was forgotten is left out, with a note.

    Args:
        workspace: holds the clips; takes the files.
        rows: of the campaign.
        rater: whose views.
        media_url: where the folder of the files is served; by default, by our own server.
        progress: told after each view.

    Raises:
        LikenessError: the rater has no views in the campaign.
        ViewError: clips of a view can't stand side by side.
        DiskFullError: no room on the disk; what is written stays.

    """
    mine = [assignment for assignment in rows.assignments if assignment.rater == rater]
    if not mine:
        raise LikenessError(f"campaign {rows.campaign.id} asks {rater} nothing")
    asked = {comparison.id: comparison for comparison in rows.comparisons}
    drawer = drawer_of(rows.campaign.id, rater)
    folder = workspace.path / MEDIA / drawer
    folder.mkdir(parents=True, exist_ok=True)
    views = _Views(workspace, folder)
    tasks: list[Mapping[str, Any]] = []
    notes: dict[str, str] = {}
    for done, assignment in enumerate(mine, 1):
        try:
            note = views.write(assignment, asked[assignment.comparison])
        except WorkspaceError as error:
            notes[assignment.id] = f"left out: {error}"
            continue
        if note:
            notes[assignment.id] = note
        media, reference = (
            _url(f"{drawer}/{name}.mp4", media_url)
            for name in (assignment.media, assignment.reference)
        )
        tasks.append(task_data(assignment, media, reference))
        progress(done, len(mine), rater)
    queue = Queue(
        campaign=rows.campaign.id,
        rater=rater,
        label_config=label_config(rows.campaign.dimensions, rows.campaign.layout),
        tasks=tuple(tasks),
    )
    return Shown(queue=queue, folder=drawer, notes=notes)


def drawer_of(campaign: str, rater: str) -> str:
    """Name the folder of a rater's files: it says neither who nor what."""
    return hashlib.sha256(f"{campaign}\0{rater}".encode()).hexdigest()[:16]


def _url(path: str, served: str | None) -> str:
    return SERVED + quote(path) if served is None else f"{served.rstrip('/')}/{path}"


class _Views:
    """Writes files of views; a reference is encoded once, however many views show it."""

    def __init__(self, workspace: Workspace, folder: Path) -> None:
        self._workspace = workspace
        self._folder = folder
        self._references: dict[str, Path] = {}

    def write(self, assignment: Assignment, comparison: Comparison) -> str | None:
        """Write both files of a view; returns what had to be cut.

        Raises:
            WorkspaceError: a clip of it isn't in the workspace any more.

        """
        condition = self._workspace.get(Condition, comparison.condition)
        both = self._folder / f"{assignment.media}.mp4"
        note = None
        if not both.is_file():
            order = (comparison.first, comparison.second)
            left, right = order if assignment.left == "first" else order[::-1]
            driving = self._workspace.get_clip(condition.driving)
            view = compose(
                self._workspace.get_clip(left),
                self._workspace.get_clip(right),
                mark=mark_of(assignment.id),
                sound=(driving.audio, driving.sample_rate) if driving.audio.size else None,
            )
            note = "; ".join(view.notes) or None
            write_view(view, both)
        self._reference(condition.references[0], self._folder / f"{assignment.reference}.mp4")
        return note

    def _reference(self, clip: str, path: Path) -> None:
        there = self._references.setdefault(clip, path)
        if path.is_file():
            return
        if there != path and there.is_file():
            with replacing(path) as temporary:
                shutil.copy2(there, temporary)
            return
        write_view(alone(self._workspace.get_clip(clip)), path)
