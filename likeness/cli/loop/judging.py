"""Score clips of a workspace and keep the scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from likeness.rewards.base import Subject
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress, silent
from likeness.store.records import Condition, Score
from likeness.store.workspace import Workspace

BATCH = 24


@dataclass(frozen=True, kw_only=True)
class Question:
    """A clip to be judged under a condition."""

    clip: str
    condition: Condition


def judge(
    workspace: Workspace,
    questions: Sequence[Question],
    rewards: RewardSet,
    progress: Progress = silent,
) -> dict[tuple[str, str], list[Score]]:
    """Score the clips that have no scores of these rewards yet; scores by (clip, condition)."""
    versions = {(n, r.version, r.weights) for r in rewards.rewards for n in r.names}
    found: dict[tuple[str, str], list[Score]] = {}
    for question in questions:
        key = (question.clip, question.condition.id)
        scores = workspace.scores(clip=key[0], condition=key[1])
        if versions <= {(s.reward, s.version, s.weights) for s in scores}:
            found[key] = scores
    missing = [q for q in questions if (q.clip, q.condition.id) not in found]
    done = len(questions) - len(missing)
    progress(done, len(questions), "scoring")
    for start in range(0, len(missing), BATCH):
        part = missing[start : start + BATCH]
        for question, scores in zip(part, _score(workspace, part, rewards), strict=True):
            found[question.clip, question.condition.id] = scores
        done += len(part)
        progress(done, len(questions), "scoring")
    return found


def _score(
    workspace: Workspace, questions: Sequence[Question], rewards: RewardSet
) -> list[list[Score]]:
    scores = rewards.score([subject(workspace, q) for q in questions])
    each = len(scores) // len(questions)
    rows = [
        [replace(s, condition=q.condition.id) for s in scores[i * each : (i + 1) * each]]
        for i, q in enumerate(questions)
    ]
    workspace.add_scores(score for row in rows for score in row)
    return rows


def subject(workspace: Workspace, question: Question) -> Subject:
    """Gather what the rewards see of a question."""
    condition = question.condition
    return Subject(
        clip=workspace.get_clip(question.clip),
        reference=workspace.get_clip(condition.references[0]),
        target=workspace.get_clip(condition.target) if condition.target else None,
        prompt=condition.prompt,
        clip_id=question.clip,
    )


def values(scores: Mapping[tuple[str, str], Sequence[Score]], reward: str) -> list[float]:
    """List all values of one reward, NaN where missing."""
    return [s.value for row in scores.values() for s in row if s.reward == reward]
