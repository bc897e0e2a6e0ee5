"""The audit of a campaign: whether metadata tells who stands left, or what kind a question is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from likeness.annotation.blinding.telling import AuditError, Telling, tell
from likeness.store.judgements import Assignment, Comparison
from likeness.store.records import ClipEntry, Sample
from likeness.store.workspace import Workspace

ALARM = 0.05


@dataclass(frozen=True, kw_only=True)
class Question:
    """What nobody is to tell from metadata.

    Attributes:
        name: `first` (which clip of the comparison stands left), `system` (whose), `generated`
            (against filmed) or `kind` (a question of unknown answer or not).
        labels: by key of the view; views to which it does not apply are not in it.

    """

    name: str
    labels: dict[str, bool]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came of a question; `telling` is None where too few views allow it, `reason` says so."""

    question: str
    telling: Telling | None
    reason: str | None = None


def questions(workspace: Workspace, assignments: list[Assignment]) -> list[Question]:
    """Ask of views which clip stands left, which system, which is generated, and what kind."""
    comparisons = {found.id: found for found in workspace.find(Comparison)}
    checkpoints = {sample.clip: sample.checkpoint for sample in workspace.find(Sample)}
    origins = {entry.id: str(entry.origin) for entry in workspace.find(ClipEntry)}
    asked: dict[str, dict[str, bool]] = {"first": {}, "system": {}, "generated": {}, "kind": {}}
    for view in assignments:
        compared = comparisons[view.comparison]
        sides = (compared.first, compared.second)
        left, right = sides if view.left == "first" else sides[::-1]
        asked["first"][view.id] = view.left == "first"
        asked["kind"][view.id] = compared.kind == "question"
        systems = [checkpoints.get(clip, origins.get(clip, "")) for clip in (left, right)]
        if systems[0] != systems[1]:
            asked["system"][view.id] = systems[0] < systems[1]
        made = [clip in checkpoints or origins.get(clip) == "generated" for clip in (left, right)]
        if made[0] != made[1]:
            asked["generated"][view.id] = made[0]
    return [Question(name=name, labels=labels) for name, labels in asked.items()]


def audit(
    seen: Mapping[str, Mapping[str, float]],
    asked: list[Question],
    groups: Mapping[str, str],
    rng: np.random.Generator,
    *,
    deals: int = 999,
) -> list[Finding]:
    """Try each question on the views that were seen.

    Args:
        seen: traces of each view by its key; see `traces`.
        asked: the questions.
        groups: by key what views have in common, such as the comparison.
        rng: where folds and deals come from.
        deals: see `tell`.

    """
    found = []
    for question in asked:
        keys = sorted(seen.keys() & question.labels.keys())
        try:
            telling = tell(
                [seen[key] for key in keys],
                [question.labels[key] for key in keys],
                rng,
                groups=[groups[key] for key in keys],
                deals=deals,
            )
        except AuditError as error:
            found.append(Finding(question=question.name, telling=None, reason=str(error)))
        else:
            found.append(Finding(question=question.name, telling=telling))
    return found


def alarms(found: list[Finding]) -> list[str]:
    """Name the questions that metadata answers above chance: 5 % false alarms for all together."""
    tried = [finding for finding in found if finding.telling is not None]
    return [
        finding.question
        for finding in tried
        if cast("Telling", finding.telling).p <= ALARM / len(tried)
    ]
