"""What clips are judged with; a curation that goes on must go on with the same."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from likeness.benchmark.curation.candidates import CurationError
from likeness.rewards.sets import World
from likeness.store.atomic import write_bytes

FOLDER = "curation"
NAME = "made.json"
FORMAT = 1

Masking = Literal["auto", "instances", "head"]

SAME_PERSON: Mapping[World, float] = {"testbed": 0.7, "real": 0.5}
"""Cosine of two clips' mean embeddings from which they may show one person, by world. The testbed's
small recogniser gives all pairs of one person this much, and 3 in 100,000 pairs of two people, of
360 clips of 120 people of the split `tune`."""

LEAST_QUALITY: Mapping[World, float] = {"testbed": 3.8, "real": 2.0}
"""Quality (1..5) below which a picture is spoilt, by world: each has a scale of its own."""


@dataclass(frozen=True, kw_only=True)
class CurationSettings:
    """When a clip is fit for a suite.

    Attributes:
        seconds: that it lasts; of a longer one a stretch is taken.
        fps: that it is read at.
        least_rate: frames a second that the film must have; more are resampled by time.
        world: whose detector, recogniser and quality.
        seen: share of the frames that must show the face.
        crowd: share of the frames in which a second face, half as wide or wider, may be seen.
        still: seconds over which the picture may not stand still.
        least_quality: of the picture, 1..5.
        masking: how the person is masked: `instances` by instance segmentation, `head` by a form
            about head and shoulders, `auto` by the first whose weights are here.

    Raises:
        CurationError: a value is out of its range.

    """

    seconds: float = 5.0
    fps: float = 25.0
    least_rate: float = 23.9
    world: World = "real"
    seen: float = 0.9
    crowd: float = 0.1
    still: float = 0.4
    least_quality: float = 2.0
    masking: Masking = "auto"

    def __post_init__(self) -> None:
        for name in ("seconds", "fps", "still"):
            if not getattr(self, name) > 0:
                raise CurationError(f"curation.{name} must be positive, got {getattr(self, name)}")
        for name in ("seen", "crowd"):
            if not 0 <= getattr(self, name) <= 1:
                raise CurationError(f"curation.{name} must be in 0..1, got {getattr(self, name)}")
        if self.frames < 2:
            raise CurationError(f"curation.seconds must be two frames or more, got {self.seconds}")

    @property
    def frames(self) -> int:
        """Of a clip."""
        return round(self.seconds * self.fps)


def freeze(described: Mapping[str, Any], out: Path) -> None:
    """Write what clips are judged with, or check that it is what is there.

    Raises:
        CurationError: the folder holds a curation that was made otherwise.

    """
    path = out / FOLDER / NAME
    wanted = json.loads(json.dumps({"format": FORMAT, **described}))
    if not path.exists():
        write_bytes(path, (json.dumps(wanted, indent=1, sort_keys=True) + "\n").encode())
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    changed = [
        f"{name} was {there.get(name)} and is {wanted.get(name)}"
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    ]
    if changed:
        raise CurationError(
            f"{out} holds a curation made otherwise: {'; '.join(changed)}. Give the same again to "
            "go on with it, or another --out"
        )


def describe(settings: CurationSettings, weights: Mapping[str, str]) -> dict[str, Any]:
    """Give what a clip's record depends on, flat."""
    return {**asdict(settings), **weights}
