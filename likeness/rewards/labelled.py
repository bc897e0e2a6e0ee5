"""Clips and pairs of which it is known who is who."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from likeness.rewards.calibration import CalibrationError, Trials
from likeness.rewards.chamfer import chamfer
from likeness.rewards.portraits import Portrait
from likeness.store.clip import Clip
from likeness.store.media import decode
from likeness.store.sheets import from_sheet, read_sheet

if TYPE_CHECKING:
    import pandas as pd

PHOTOS = {".jpg", ".jpeg", ".png"}
TRUTHS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


@dataclass(frozen=True, kw_only=True, eq=False)
class Labelled:
    """Clips, and pairs of them that are known to show one person or two.

    Attributes:
        paths: where the clips are.
        pairs: indices of both clips of each pair.
        people: (clips,) int, who is in each; clips that no pair joins are different people.

    """

    paths: list[Path]
    pairs: list[tuple[int, int]]
    people: np.ndarray

    def trials(self, portraits: Sequence[Portrait]) -> Trials:
        """Compare the faces of each pair; pairs with a clip that has none are left out."""
        kept = [
            (i, j) for i, j in self.pairs if not (portraits[i].complaint or portraits[j].complaint)
        ]
        scores = [chamfer(portraits[i].embeddings, portraits[j].embeddings).value for i, j in kept]
        left, right = self.people[np.array(kept, dtype=int).reshape(-1, 2)].T
        return Trials(scores=np.array(scores), same=left == right, left=left, right=right)


def all_pairs(paths: Sequence[Path], identities: Sequence[str]) -> Labelled:
    """Pair every clip with every other."""
    people = np.unique(np.array(identities, dtype=str), return_inverse=True)[1]
    return Labelled(
        paths=list(paths), pairs=list(combinations(range(len(paths)), 2)), people=people
    )


def read_labelled(path: Path) -> Labelled:
    """Read a table of pairs (left, right, same) or of clips (path, identity: all pairs of them).

    Raises:
        SheetError: the table can't be read.
        CalibrationError: it has neither kind of columns, an empty cell, or contradicts itself.

    """
    table = read_sheet(path)
    for columns, make in (
        (("left", "right", "same"), _of_pairs),
        (("path", "identity"), _of_clips),
    ):
        if set(columns) <= set(table.columns):
            if table[list(columns)].isna().to_numpy().any():
                raise CalibrationError(f"{path}: a cell of {', '.join(columns)} is empty")
            return make(table, path)
    raise CalibrationError(
        f"{path}: needs columns left, right and same, or path and identity; it has "
        f"{', '.join(map(str, table.columns))}"
    )


def read_clip(path: Path) -> Clip:
    """Decode a film, or take a photo for a film of one frame.

    Raises:
        LikenessError: it can't be read.

    """
    if path.suffix.lower() not in PHOTOS:
        return decode(path, need_audio=False)
    picture = cv2.imread(str(path))
    if picture is None:
        raise CalibrationError(f"{path}: no picture, or there is no such file")
    return Clip(
        frames=np.ascontiguousarray(picture[None, ..., ::-1]),
        fps=25.0,
        audio=np.zeros(0, dtype=np.float32),
        sample_rate=16_000,
    )


def _of_clips(table: "pd.DataFrame", path: Path) -> Labelled:
    paths = [from_sheet(str(name), path) for name in table["path"]]
    return all_pairs(paths, [str(name) for name in table["identity"]])


def _of_pairs(table: "pd.DataFrame", path: Path) -> Labelled:
    """Tell who is who by the pairs: whoever is joined by pairs of one person is one person."""
    said = [str(cell).strip().lower() for cell in table["same"]]
    if strange := sorted(set(said) - set(TRUTHS)):
        raise CalibrationError(f"{path}: same is 1 or 0, or true or false, got {strange[0]!r}")
    same = np.array([TRUTHS[cell] for cell in said])
    names = np.stack([table["left"].astype(str), table["right"].astype(str)], axis=1)
    clips, places = np.unique(names, return_inverse=True)
    pairs = places.reshape(-1, 2)
    joined = pairs[same]
    links = coo_array((np.ones(len(joined)), (joined[:, 0], joined[:, 1])), shape=(len(clips),) * 2)
    people = connected_components(links, directed=False)[1]
    wrong = np.flatnonzero((people[pairs[:, 0]] == people[pairs[:, 1]]) != same)
    if len(wrong):
        left, right = names[wrong[0]]
        raise CalibrationError(
            f"{path}: {left} and {right} are labelled different, but other rows make them one "
            "person; mend one of them"
        )
    return Labelled(
        paths=[from_sheet(str(name), path) for name in clips],
        pairs=[(int(i), int(j)) for i, j in pairs],
        people=people,
    )
