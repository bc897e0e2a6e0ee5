import hashlib
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("left", "right", "winner")
ANSWERS = {"left": (1.0, 0.0, 0.0), "tie": (0.0, 1.0, 0.0), "right": (0.0, 0.0, 1.0)}
BOTH_BAD = "both_bad"
OVERALL = "overall"


class PreferenceError(LikenessError):
    """Votes or scores that no preference can be learned from, or applied to."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ballots:
    """Votes to learn from: people's answers to which of two clips is better, one row a vote.

    Attributes:
        left: (N,) clip ids.
        right: (N,) clip ids.
        answers: (N, 3) shares of left, tie and right; zeros for "both bad", which is no tie and
            says nothing of which is better.
        weights: (N,) >= 0, of the vote in the fit.
        dimensions: (N,) what was asked about, such as `identity`.
        conditions: (N,) what both clips were made for: the unit of splits and intervals.

    """

    left: np.ndarray
    right: np.ndarray
    answers: np.ndarray
    weights: np.ndarray
    dimensions: np.ndarray
    conditions: np.ndarray

    @classmethod
    def of_table(cls, table: "pd.DataFrame") -> "Ballots":
        """Read votes from a table with columns left, right, winner.

        Optional columns are weight, dimension and condition. Without conditions, clips that are
        linked by votes share one.

        Raises:
            PreferenceError: an answer, weight or pair can't be; the message names the row.

        """
        for number, row in enumerate(table.itertuples(index=False), start=1):
            if complaint := _complaint(row):
                raise PreferenceError(f"vote {number}: {complaint}")
        if not len(table):
            raise PreferenceError("no votes: the table is empty")
        left, right = (table[side].to_numpy(dtype=str) for side in ("left", "right"))
        answers = [ANSWERS.get(winner, (0.0, 0.0, 0.0)) for winner in table["winner"]]
        given = set(table.columns)
        weights = table["weight"] if "weight" in given else np.ones(len(table))
        asked = table["dimension"] if "dimension" in given else np.full(len(table), OVERALL)
        return cls(
            left=left,
            right=right,
            answers=np.array(answers),
            weights=np.asarray(weights, dtype=float),
            dimensions=np.asarray(asked, dtype=str),
            conditions=np.asarray(table["condition"], dtype=str)
            if "condition" in given
            else linked(left, right),
        )

    def __len__(self) -> int:
        return len(self.left)

    @property
    def decided(self) -> np.ndarray:
        """Which votes say something: (N,) bool."""
        return self.answers.sum(axis=1) > 0

    @property
    def clips(self) -> list[str]:
        """The clips voted on, sorted."""
        return sorted({*self.left.tolist(), *self.right.tolist()})

    def only(self, wanted: np.ndarray) -> "Ballots":
        """Take the votes of an (N,) bool mask."""
        return replace(self, **{name: values[wanted] for name, values in vars(self).items()})

    @property
    def hash(self) -> str:
        """SHA-256 of the votes, whatever their order."""
        fields = (self.left, self.right, self.answers, self.weights, self.dimensions)
        rows = zip(*(f.tolist() for f in fields), self.conditions.tolist(), strict=True)
        return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()


def linked(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Name the group of clips that votes link, for each vote: its first clip in order."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    clips, index = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = index[: len(left)], index[len(left) :]
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(len(clips), len(clips)))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return clips[first[group[a]]]


def split(votes: Ballots, share: float, rng: np.random.Generator) -> tuple[Ballots, Ballots]:
    """Part votes into those to learn from and those held out, by whole conditions.

    Raises:
        PreferenceError: there are too few conditions for two of each.

    """
    out = parted(votes.conditions, share, rng)
    return votes.only(~out), votes.only(out)


def parted(conditions: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Choose the conditions to hold out, two at least: (N,) bool for the votes of (N,) conditions.

    Raises:
        PreferenceError: there are too few conditions for two of each.

    """
    names = rng.permutation(np.unique(conditions))
    held = max(2, round(share * len(names)))
    if len(names) < held + 2:
        raise PreferenceError(
            f"votes of {len(names)} conditions can't be split into 2 to learn from and {held} "
            "held out; collect votes on more conditions, or add a column `condition`"
        )
    return np.isin(conditions, names[:held])


def _complaint(row: object) -> str | None:
    winner, weight = getattr(row, "winner", None), getattr(row, "weight", 1.0)
    left, right = getattr(row, "left", None), getattr(row, "right", None)
    if winner not in {*ANSWERS, BOTH_BAD}:
        return f"winner must be left, right, tie or both_bad, got {winner!r}"
    if not isinstance(weight, int | float) or not (math.isfinite(weight) and weight >= 0):
        return f"weight must be a number of at least 0, got {weight!r}"
    if not all(isinstance(clip, str | int) for clip in (left, right)):
        return f"left and right must name clips, got {left!r} and {right!r}"
    if left == right:
        return f"{left} can't be compared with itself"
    return None
