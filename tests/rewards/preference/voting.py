"""Made-up clips with scores, and people who vote by known weights."""

import numpy as np
import pandas as pd

from likeness.rewards.preference.ties import K
from likeness.store.records import Score

REWARDS = ("identity_ref", "sync_c", "motion")
TASTE = np.array([2.0, 1.0, 0.0])
ANSWERS = ("left", "tie", "right")


def chances(difference: float, k: float = K) -> np.ndarray:
    """Left, tie and right, straight from Rao and Kupper's fractions."""
    a, b = np.exp(difference), 1.0
    left, right = a / (a + k * b), b / (b + k * a)
    return np.array([left, 1 - left - right, right])


def scored(clips: int, rng: np.random.Generator, gaps: float = 0.0) -> list[Score]:
    rows = []
    for i in range(clips):
        for name, value in zip(REWARDS, rng.normal(size=len(REWARDS)), strict=True):
            if rng.random() < gaps:
                rows.append(
                    Score.missing(clip=f"c{i}", reward=name, reason="no sound", version="v1")
                )
            else:
                rows.append(Score(clip=f"c{i}", reward=name, value=value, version="v1"))
    return rows


def voted(
    scores: list[Score], per_condition: int, rng: np.random.Generator, position: float = 0.0
) -> pd.DataFrame:
    """Let people vote on all pairs of each condition's clips, left and right at random."""
    values = {(s.clip, s.reward): s.value for s in scores}
    clips = list(dict.fromkeys(s.clip for s in scores))
    worth = {
        c: float(np.nansum(TASTE * np.array([values[c, name] for name in REWARDS]))) for c in clips
    }
    rows = []
    for start in range(0, len(clips), per_condition):
        group = clips[start : start + per_condition]
        for i, a in enumerate(group):
            for b in group[i + 1 :]:
                left, right = (a, b) if rng.random() < 0.5 else (b, a)
                answer = rng.choice(3, p=chances(worth[left] - worth[right] + position))
                rows.append((left, right, ANSWERS[answer], f"q{start}"))
    return pd.DataFrame(rows, columns=["left", "right", "winner", "condition"])
