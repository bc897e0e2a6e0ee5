"""A run that a guard ended: why, and the clip that shows it; and a clip's rewards as one."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from likeness.cli.loop.held_out import SCORES, VALIDATION
from likeness.rewards.combine.recipe import COMBINATIONS
from likeness.rewards.combine.reward import CombinedReward
from likeness.rewards.tripwires.limits import LIMITS
from likeness.store.atomic import write_bytes
from likeness.store.records import Score

NAME = "ended.json"
CLIP = "hacked-{run}.mp4"


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What a guard said of a run when it ended it."""

    reason: str

    @classmethod
    def of(cls, run: Path) -> "Ended | None":
        """Read it; None where no guard has ended the run."""
        path = run / NAME
        return cls(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    @classmethod
    def note(cls, run: Path, reason: str) -> "Ended":
        """Keep it in the run's folder."""
        ended = cls(reason=reason)
        write_bytes(run / NAME, json.dumps(asdict(ended)).encode())
        return ended

    def clip(self, run: Path, world: str) -> Path | None:
        """Find the clip of the last evaluation that trips the most wires more than before."""
        folders = sorted((run / VALIDATION).glob("step_*"))
        if len(folders) < 2:
            return None
        before, after = (_tripped(folder, world) for folder in (folders[0], folders[-1]))
        most = max(after, key=lambda name: after[name] - before.get(name, 0))
        return folders[-1] / most


def _tripped(folder: Path, world: str) -> dict[str, int]:
    """Count the wires that each clip that was kept trips."""
    limits = LIMITS.load(world).wires
    rows: list[Mapping[str, Any]] = json.loads((folder / SCORES).read_text(encoding="utf-8"))
    return {
        row["files"][0]: sum(
            bool(limits[score["reward"]].breached(np.array(score["value"], float)))
            for score in row["scores"]
            if score["reward"] in limits
        )
        for row in rows
        if row["files"]
    }


def combined(scores: Sequence[Score], clip: str) -> Score:
    """Combine a clip's scores as the testbed does, of the terms that are scored."""
    whole = COMBINATIONS.load("testbed")
    scored = {score.reward for score in scores}
    terms = {name: term for name, term in whole.terms.items() if name in scored}
    total = replace(whole, terms=terms).total(s for s in scores if s.reward in terms)
    told = {"clip": clip, "reward": "combined", "version": CombinedReward.version}
    if math.isnan(total.value):
        return Score.missing(**told, reason=total.reason or "nothing is known")
    return Score(**told, value=total.value)
