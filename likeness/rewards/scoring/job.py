from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from likeness.rewards.base import Detail
from likeness.rewards.sets import World
from likeness.store.records import Score

Judges = Literal["auto", "testbed", "real"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A clip that is to be scored, and what it is compared with.

    Attributes:
        name: what scores call the clip: its path as it was given, or its id in a workspace.
        clip: the file.
        reference: a film of the person who is to be seen.
        target: the true clip of the same scene and speech.
        prompt: what the text asked for.
        identity: who is shown, where somebody says so.
        scene: where, likewise.
        condition: id of the condition of a workspace that it was made for.

    """

    name: str
    clip: Path
    reference: Path | None = None
    target: Path | None = None
    prompt: str | None = None
    identity: str | None = None
    scene: str | None = None
    condition: str | None = None

    def resolved(self) -> "Job":
        """Return the same with whole paths: processes of a cluster don't work in this folder."""
        paths = {"clip": self.clip, "reference": self.reference, "target": self.target}
        return replace(self, **{n: p.resolve() for n, p in paths.items() if p is not None})


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """What came of a job.

    Attributes:
        scores: of all rewards in order.
        world: whose rewards these are; None where the clip could not be read or judged at all.
        note: what a reader of the scores should know, such as another frame rate.
        details: what lies behind the scores by reward, where that was asked for.
        again: whether what went wrong may go right another time: a process that died, a reward
            that broke. A file that can't be read is not of these.

    """

    scores: tuple[Score, ...]
    world: World | None = None
    note: str | None = None
    details: Mapping[str, Detail] = field(default_factory=dict)
    again: bool = False

    @property
    def unread(self) -> str | None:
        """Why there is no score at all, or None."""
        return self.scores[0].reason if self.world is None else None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; None for NaN."""
        return {
            "scores": [score.to_dict() for score in self.scores],
            "world": self.world,
            "note": self.note,
            "details": {name: _plain(detail) for name, detail in self.details.items()},
            "again": self.again,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Outcome":
        """Rebuild from `to_dict`'s form."""
        return cls(
            scores=tuple(Score.from_dict(score) for score in data["scores"]),
            world=data["world"],
            note=data["note"],
            details={name: _detail(plain) for name, plain in data["details"].items()},
            again=data["again"],
        )


def unscored(clip: str, reason: str, names: Sequence[str], *, again: bool = False) -> Outcome:
    """Give every one of the named scores of a clip the reason why there is none."""
    scores = [
        Score.missing(clip=clip, reward=name, reason=reason, version="none") for name in names
    ]
    return Outcome(scores=tuple(scores), again=again)


def _plain(detail: Detail) -> dict[str, Any]:
    return {
        "values": {name: _number(value) for name, value in detail.values.items()},
        "curves": {name: [_number(v) for v in row] for name, row in detail.curves.items()},
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _detail(plain: dict[str, Any]) -> Detail:
    return Detail(
        values={n: float("nan") if v is None else v for n, v in plain["values"].items()},
        curves={n: np.array(row, dtype=np.float64) for n, row in plain["curves"].items()},
    )
