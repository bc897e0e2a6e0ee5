"""The clips a check spoils: drawn people, or a folder or table of labelled clips."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from likeness.rewards.base import Subject
from likeness.rewards.faces import FaceFinder
from likeness.store.clip import Clip
from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")


@dataclass(frozen=True, kw_only=True, eq=False)
class Specimen:
    """A true clip of a person, and another person to spoil it with.

    Attributes:
        person: whose clip it is.
        subject: the clip with its reference, target and prompt.
        five: (T, 5, 2) points of face alignment, NaN where there is no face.
        other: a clip of another person, as large.
        other_five: (T', 5, 2) of that clip.
        other_prompt: what that clip shows, where it is known.
        mask: (T, H, W) bool, the person's pixels, where they are known.
        background: (H, W, 3) uint8 of the other clip, where it is known.

    """

    person: str
    subject: Subject
    five: np.ndarray
    other: Clip
    other_five: np.ndarray
    other_prompt: str | None = None
    mask: np.ndarray | None = None
    background: np.ndarray | None = None

    @property
    def clip(self) -> Clip:
        """The subject's clip, which is held in memory so that it can be spoilt."""
        clip = self.subject.clip
        assert isinstance(clip, Clip)
        return clip


def drawn_specimens(split: str, people: int, seconds: float) -> list[Specimen]:
    """Draw a take of each person, its reference in another scene, and points from the truth.

    The other of a person is the next one's take, of the last the first's.
    """
    from likeness.testbed.cast import cast, take_of

    persons = cast(split, people)
    takes = [take_of(person, 0, seconds) for person in persons]
    references = [take_of(person, 1, seconds).clip for person in persons]
    return [
        Specimen(
            person=person.identity,
            subject=Subject(
                clip=take.clip, reference=reference, target=take.clip, prompt=take.caption
            ),
            five=take.truth.five,
            other=other.clip,
            other_five=other.truth.five,
            other_prompt=other.caption,
            mask=take.truth.mask,
            background=other.background,
        )
        for person, take, reference, (_, other) in zip(
            persons, takes, references, pairwise([*takes, takes[0]]), strict=True
        )
    ]


def labelled_table(data: Path) -> "pd.DataFrame":
    """List labelled clips: columns clip and person, perhaps prompt.

    Args:
        data: a table with these columns, clips relative to it; or a folder with one folder a
            person.

    Raises:
        LikenessError: there is no such thing, or fewer than two people with two clips each.

    """
    import pandas as pd

    from likeness.store.sheets import from_sheet, read_sheet

    if data.is_dir():
        files = sorted(p for p in data.glob("*/*") if p.suffix.lower() in SUFFIXES)
        rows = [(str(path), path.parent.name) for path in files]
        table = pd.DataFrame(rows, columns=["clip", "person"])
    else:
        table = read_sheet(data, columns=("clip", "person"))
        table["clip"] = [str(from_sheet(str(name), data)) for name in table["clip"]]
    counts = Counter(table["person"])
    table = table.loc[[counts[person] >= 2 for person in table["person"]]]
    if len(set(table["person"])) < 2:
        raise LikenessError(
            f"{data}: a check needs two people or more with two clips each, one to spoil and one "
            "as reference; put each person's clips into a folder of their own, or give a table "
            "with columns clip and person"
        )
    return table


def labelled_specimens(
    data: Path, faces: FaceFinder, people: int, seconds: float
) -> list[Specimen]:
    """Take the first clip of each person, with their second as the reference.

    Clips are cut to their first seconds. A person is left out where no face is found.

    Raises:
        LikenessError: too few people, or a clip can't be read.

    """
    table = labelled_table(data)
    has_prompt = "prompt" in table.columns
    found = []
    for person, rows in list(table.groupby("person", sort=True))[:people]:
        clip, reference = (_read(Path(name), seconds) for name in rows["clip"].iloc[:2])
        five = faces.tracks([clip])[0].five
        if np.isfinite(five).all(axis=(1, 2)).any():
            prompt = rows["prompt"].iloc[0] if has_prompt else None
            found.append((str(person), clip, reference, five, prompt))
    if len(found) < 2:
        raise LikenessError(
            f"{data}: a face was found in the clips of {len(found)} people, 2 needed"
        )
    return [
        Specimen(
            person=person,
            subject=Subject(clip=clip, reference=reference, prompt=prompt),
            five=five,
            other=other,
            other_five=other_five,
            other_prompt=other_prompt,
        )
        for (person, clip, reference, five, prompt), (_, other, _, other_five, other_prompt) in zip(
            found, [*found[1:], found[0]], strict=True
        )
    ]


def _read(path: Path, seconds: float) -> Clip:
    from likeness.store.media import decode

    clip = decode(path, need_audio=False)
    return clip.window(0, min(len(clip), round(seconds * clip.fps)))
