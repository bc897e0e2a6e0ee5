"""Other rewards' scores as features of a clip."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from likeness.rewards.preference.ballots import PreferenceError
from likeness.store.records import Score

TWO_SIDED = frozenset({"sync_offset"})
"""Rewards of which people mind the distance from 0, to either side."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Scores of clips.

    Attributes:
        clips: (N,) ids.
        names: (F,) rewards.
        values: (N, F), NaN where there is no value.
        versions: name -> version of the reward, and its weights where they are known.

    """

    clips: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray
    versions: Mapping[str, str]

    @classmethod
    def of_scores(cls, scores: Iterable[Score], names: Sequence[str] = ()) -> "Features":
        """Lay scores out as a table, of several for a cell the last.

        Args:
            scores: of any clips; values that are missing may be of any version.
            names: the columns; without them all rewards in the order they come.

        Raises:
            PreferenceError: a reward comes in two versions.

        """
        rows = list(scores)
        columns = tuple(names) or tuple(dict.fromkeys(row.reward for row in rows))
        clips = tuple(dict.fromkeys(row.clip for row in rows))
        values = np.full((len(clips), len(columns)), np.nan)
        at = {clip: i for i, clip in enumerate(clips)}
        versions: dict[str, str] = {}
        for row in rows:
            if row.reward not in columns:
                continue
            value = abs(row.value) if row.reward in TWO_SIDED else row.value
            values[at[row.clip], columns.index(row.reward)] = value
            if np.isfinite(row.value):
                mine = f"{row.version} {row.weights}".strip()
                if versions.setdefault(row.reward, mine) != mine:
                    raise PreferenceError(
                        f"{row.reward} comes in two versions ({versions[row.reward]} and {mine}); "
                        "score all clips again with one"
                    )
        return cls(clips=clips, names=columns, values=values, versions=versions)

    def rows(self, clips: Sequence[str]) -> np.ndarray:
        """Take the rows of clips: (n, F).

        Raises:
            PreferenceError: a clip has no scores.

        """
        at = {clip: i for i, clip in enumerate(self.clips)}
        if absent := [clip for clip in clips if clip not in at]:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise PreferenceError(
                f"no scores of clip {absent[0]}{more}: score all clips that were voted on with "
                "`likeness score --out`"
            )
        return self.values[[at[clip] for clip in clips]]

    def agree(self, versions: Mapping[str, str]) -> None:
        """Refuse scores of another version than was learned on; a value that is missing may be any.

        Raises:
            PreferenceError: a version differs; weights only count where both sides name them.

        """
        for name, mine in self.versions.items():
            theirs = versions.get(name, mine)
            known = zip(mine.split(), theirs.split(), strict=False)
            if any(a != b for a, b in known):
                raise PreferenceError(
                    f"the preference was learned on {name} {theirs}, this is {name} {mine}: "
                    "score the voted clips again and run `likeness rewards fit-preference`"
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class Space:
    """How raw scores become inputs: standardised, with an indicator where some were missing.

    Attributes:
        kept: (F,) bool, features that differ among the clips.
        gaps: (F,) bool, features that some clips lack.
        means: (F,) of the clips that have a value, 0 where none has.
        scales: (F,) deviations, 1 where they are 0.

    """

    kept: np.ndarray
    gaps: np.ndarray
    means: np.ndarray
    scales: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray) -> "Space":
        """Learn from (N, F) scores of the clips of the training split, each once."""
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        filled = np.where(known, values, 0.0)
        means = filled.sum(axis=0) / count
        deviations = np.sqrt((np.where(known, values - means, 0.0) ** 2).sum(axis=0) / count)
        kept = deviations > 1e-9 * np.maximum(1.0, np.abs(means))
        return cls(
            kept=kept,
            gaps=np.asarray(~known.all(axis=0) & known.any(axis=0)),
            means=means,
            scales=np.where(kept, deviations, 1.0),
        )

    def names(self, features: Sequence[str]) -> list[str]:
        """Name the inputs: the features kept, then `no NAME` for the indicators."""
        kept = [name for name, keep in zip(features, self.kept, strict=True) if keep]
        return kept + [f"no {name}" for name, gap in zip(features, self.gaps, strict=True) if gap]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Turn (N, F) scores into (N, D) inputs; a missing score counts as the mean."""
        known = np.isfinite(values)
        standard = np.where(known, (values - self.means) / self.scales, 0.0)
        return np.concatenate([standard[:, self.kept], ~known[:, self.gaps]], axis=1)
