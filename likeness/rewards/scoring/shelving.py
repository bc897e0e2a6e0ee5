"""Scores into a workspace."""

from dataclasses import replace

from likeness.rewards.scoring.job import Job, Outcome
from likeness.store.records import Score
from likeness.store.workspace import Workspace


def shelve(workspace: Workspace, job: Job, outcome: Outcome) -> bool:
    """Append a clip's scores to a workspace, with the clip itself where it isn't there yet.

    Scores that are there with the same version, weights and value are not written again; others
    supersede those before.

    Args:
        workspace: takes them.
        job: what was scored; with a condition, its name is the id of a clip of the workspace.
        outcome: what came of it.

    Returns:
        Whether it could be: a file that can't be read is no clip, and has no place there.

    Raises:
        WorkspaceError: the clip is there under another identity, or its person was forgotten.
        DiskFullError: no room on the disk.

    """
    if outcome.unread is not None:
        return False
    clip = job.name
    if job.condition is None:
        clip = workspace.put_file(job.clip, identity=job.identity, scene=job.scene)
    scores = [replace(s, clip=clip, condition=job.condition) for s in outcome.scores]
    held = {_content(s) for s in workspace.scores(clip=clip) if s.condition == job.condition}
    workspace.add_scores(score for score in scores if _content(score) not in held)
    return True


def _content(score: Score) -> tuple[str, str, str, str | None, str]:
    return score.reward, score.version, score.weights, score.reason, repr(score.value)
