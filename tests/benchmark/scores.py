import math

from likeness.store.records import Score


def score(reward: str, value: float, clip: str = "clip", weights: str = "w1") -> Score:
    reason = "no face in any of 25 frames" if math.isnan(value) else None
    return Score(clip=clip, reward=reward, value=value, reason=reason, version="1", weights=weights)
