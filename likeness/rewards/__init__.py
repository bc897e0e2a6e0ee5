"""A clip's scores.

`score(clips, reference=...)` scores clips, and `reward_funcs(names)` makes functions for training
loops; both are imported when they are first asked for, so that this costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likeness.rewards.scoring.calling import score
    from likeness.rewards.scoring.functions import reward_funcs

__all__ = ["reward_funcs", "score"]


def __getattr__(name: str) -> Any:
    if name == "score":
        from likeness.rewards.scoring.calling import score

        return score
    if name == "reward_funcs":
        from likeness.rewards.scoring.functions import reward_funcs

        return reward_funcs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
