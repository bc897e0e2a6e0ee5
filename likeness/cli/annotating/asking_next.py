"""What a learned preference says of pairs that nobody was asked about yet."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from likeness.rewards.preference.learned import Learned
    from likeness.store.records import Score
    from likeness.store.workspace import Workspace


def chances(
    workspace: "Workspace", folder: Path | None, dimension: str
) -> dict[tuple[str, str], float]:
    """Say how likely the first of two samples is preferred, ties aside, for all that have scores.

    Args:
        workspace: whose samples and scores.
        folder: of a learned preference.
        dimension: asked about; without a head of its own, `overall` or the only one is taken.

    Raises:
        ChoiceError: no folder is given, or no sample has the scores that the preference looks at.
        PreferenceError: the folder holds none, or the scores are of another version.

    """
    from likeness.annotation.choice.candidates import ChoiceError, candidates
    from likeness.rewards.preference.learned import Learned

    if folder is None:
        raise ChoiceError(
            "policy preference needs --preference FOLDER; make one with "
            "`likeness rewards fit-preference`"
        )
    learned = Learned.load(folder)
    scores = workspace.scores()
    pairs = candidates(workspace.samples(), scores)
    clips = {side.sample: side.clip for pair in pairs for side in (pair.first, pair.second)}
    wanted = set(clips.values())
    mine = [score for score in scores if score.clip in wanted]
    leads = log_odds(mine, learned, head_of(learned, dimension))
    if not leads:
        raise ChoiceError(
            f"no sample has any of the scores that {folder} looks at "
            f"({', '.join(learned.features)}); run `likeness pairs` or `likeness score` first"
        )
    samples = [
        (pair.first.sample, pair.second.sample)
        for pair in pairs
        if pair.first.clip in leads and pair.second.clip in leads
    ]
    found = preferred(learned, [leads[clips[a]] - leads[clips[b]] for a, b in samples])
    return dict(zip(samples, found, strict=True))


def head_of(learned: "Learned", dimension: str) -> str:
    """Choose the head for a dimension: its own, `overall`, or the only one.

    Raises:
        ChoiceError: there is none of these.

    """
    from likeness.annotation.choice.candidates import ChoiceError

    for name in (dimension, "overall"):
        if name in learned.heads:
            return name
    if len(learned.heads) == 1:
        return next(iter(learned.heads))
    raise ChoiceError(
        f"the preference knows {', '.join(learned.heads)}, and nothing of {dimension}; ask about "
        "one of these, or learn it from votes on that dimension"
    )


def log_odds(scores: "Iterable[Score]", learned: "Learned", head: str) -> dict[str, float]:
    """Judge clips by a head, in log odds; those without any of its features are left out.

    Args:
        scores: of the clips; those that the preference doesn't look at are passed over.
        learned: the preference.
        head: its name.

    """
    import numpy as np

    from likeness.rewards.preference.features import Features

    looked_at = [score for score in scores if score.reward in learned.features]
    features = Features.of_scores(looked_at, learned.features)
    features.agree(learned.versions)
    values = learned.heads[head].scores(features.values)
    some = np.asarray(np.isfinite(features.values).any(axis=1))
    return {
        clip: float(value)
        for clip, value, known in zip(features.clips, values, some, strict=True)
        if known
    }


def preferred(learned: "Learned", leads: Sequence[float]) -> list[float]:
    """Turn differences in log odds into the chance of the first, among answers for a side."""
    import numpy as np
    import torch

    from likeness.rewards.preference.ties import log_chances

    if not leads:
        return []
    answers = log_chances(torch.from_numpy(np.asarray(leads, dtype=float)), learned.k).exp().numpy()
    return (answers[:, 0] / (answers[:, 0] + answers[:, 2])).tolist()
