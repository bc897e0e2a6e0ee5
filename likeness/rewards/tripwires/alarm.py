"""When a reward rises and something it should not touch breaks, somebody is being fooled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from likeness.rewards.tripwires.limits import Limit

ERRORS = 2.0
LEAST_CLIPS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """One reward at one step of a run.

    Attributes:
        step: of the run.
        values: (n,) of the same n conditions in the same order at every step; NaN where missing.

    """

    step: int
    values: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """A reward that rises while a wire trips.

    Attributes:
        step: at which both are so.
        since: the step they are compared with.
        rise: of the reward's mean over the conditions known at both.
        rise_error: its standard error.
        breached: share of the conditions outside the wire's limits, 0..1.
        breached_before: the same at the step `since`.

    """

    step: int
    since: int
    rise: float
    rise_error: float
    breached: float
    breached_before: float

    def message(self, reward: str, wire: str) -> str:
        """Say it in a sentence."""
        return (
            f"step {self.step}: {reward} rose by {self.rise:.3g} (standard error "
            f"{self.rise_error:.2g}) since step {self.since}, and {wire} is outside its limits in "
            f"{self.breached:.0%} of clips, {self.breached_before:.0%} before: look at the clips"
        )


def alarm(
    reward: Sequence[Evaluation], wire: Sequence[Evaluation], limit: Limit, errors: float = ERRORS
) -> Alarm | None:
    """Compare the last evaluation with the first.

    An alarm takes both: the reward's mean has risen by more than so many standard errors, and so
    has the share of clips outside the wire's limits. Both differences are taken condition by
    condition. Fewer than four conditions known at both steps raise none.

    Args:
        reward: one that is trained on, by rising step.
        wire: one that is not, at the same steps.
        limit: of the wire on true clips.
        errors: how many standard errors are more than chance.

    Raises:
        ValueError: the two are not of the same steps, or the steps don't rise.

    """
    steps = [evaluation.step for evaluation in reward]
    if steps != [evaluation.step for evaluation in wire] or steps != sorted(set(steps)):
        raise ValueError("an alarm takes a reward and a wire of the same steps, rising")
    if len(steps) < 2:
        return None
    rise = _rise(reward[0].values, reward[-1].values)
    before, after = wire[0].values, wire[-1].values
    known = np.isfinite(before) & np.isfinite(after)
    outside = [limit.breached(values[known]).astype(float) for values in (before, after)]
    breach = _rise(*outside)
    if any(r is None or r[0] <= errors * r[1] for r in (rise, breach)) or rise is None:
        return None
    return Alarm(
        step=steps[-1],
        since=steps[0],
        rise=rise[0],
        rise_error=rise[1],
        breached=float(outside[1].mean()),
        breached_before=float(outside[0].mean()),
    )


def alarms(
    rewards: Mapping[str, Sequence[Evaluation]],
    wires: Mapping[str, Sequence[Evaluation]],
    limits: Mapping[str, Limit],
) -> dict[tuple[str, str], Alarm]:
    """Look at each reward with each wire that has limits: what rings, by (reward, wire)."""
    found = {}
    for reward, history in rewards.items():
        for wire, watched in wires.items():
            rung = alarm(history, watched, limits[wire]) if wire in limits else None
            if rung is not None:
                found[reward, wire] = rung
    return found


def _rise(before: np.ndarray, after: np.ndarray) -> tuple[float, float] | None:
    """Mean paired difference and its standard error; None for fewer than four known pairs."""
    gaps = after - before
    gaps = gaps[np.isfinite(gaps)]
    if len(gaps) < LEAST_CLIPS:
        return None
    return float(gaps.mean()), float(gaps.std(ddof=1)) / sqrt(len(gaps))
