"""Scores into a workspace."""

from dataclasses import replace

from likeness.rewards.scoring.job import Job, Outcome
from likeness.store.records import Score
from likeness.store.workspace import Workspace, WorkspaceError


def shelve(workspace: Workspace, job: Job, outcome: Outcome) -> str | None:
    """Append a clip's scores to a workspace, with the clip itself where it isn't there yet.

    Scores that are there with the same version, weights and value are not written again; others
    supersede those before.

    Args:
        workspace: takes them.
        job: what was scored; with a condition, its name is the id of a clip of the workspace.
        outcome: what came of it.

    Returns:
        Why it could not be, as where the person was forgotten; None where it was, or where there
        is nothing to keep: a file that can't be read is no clip.

    Raises:
        DiskFullError: no room on the disk.

    """
    if outcome.unread is not None:
        return None
    clip = job.name
    if job.condition is None:
        try:
            clip = workspace.put_file(job.clip, identity=job.identity, scene=job.scene)
        except WorkspaceError as error:
            return f"{job.name}: not kept in the workspace: {error}"
    scores = [replace(s, clip=clip, condition=job.condition) for s in outcome.scores]
    held = {_content(s) for s in workspace.scores(clip=clip) if s.condition == job.condition}
    workspace.add_scores(score for score in scores if _content(score) not in held)
    return None


def _content(score: Score) -> tuple[str, str, str, str | None, str]:
    return score.reward, score.version, score.weights, score.reason, repr(score.value)
