"""Which windows make a batch: numbers alone, the same in every process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from likeness.training.batch import Wish
from likeness.training.corpus.settings import CorpusError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Rows of a corpus's index that make a batch; arrays are (B,) int.

    Attributes:
        target, reference: windows.
        anchor: windows of the target's take whose first frame stands in for the background.
        reference_frames: video frames of the reference, from its window's first on.
        motion: latent frames of the target that are given.

    """

    target: np.ndarray
    reference: np.ndarray
    reference_frames: int
    motion: int = 0
    anchor: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.target)

    def rows(self, rows: slice) -> "Draw":
        """Keep some rows."""
        anchor = None if self.anchor is None else self.anchor[rows]
        return replace(
            self, target=self.target[rows], reference=self.reference[rows], anchor=anchor
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Windows:
    """The windows of a corpus by person, scene, clip and take, as numbers of rows.

    Attributes:
        people: of each person, the windows of each scene.
        clip: (N,) number of the clip of each window.
        take: (N,) number of its take; two clips share none.
        of_clip, of_take: windows of each clip and take.

    """

    people: Mapping[str, Sequence[np.ndarray]]
    clip: np.ndarray
    take: np.ndarray
    of_clip: Sequence[np.ndarray]
    of_take: Sequence[np.ndarray]

    @classmethod
    def of(cls, index: "pd.DataFrame") -> "Windows":
        """Group the rows of an index."""
        people: dict[str, list[np.ndarray]] = {}
        scene = index.groupby(["identity", "scene"]).ngroup().to_numpy()
        for rows in (np.flatnonzero(scene == k) for k in range(scene.max() + 1)):
            people.setdefault(str(index["identity"].iloc[rows[0]]), []).append(rows)
        clip = index.groupby("name").ngroup().to_numpy()
        take = index.groupby(["name", "take"]).ngroup().to_numpy()
        return cls(
            people=people,
            clip=clip,
            take=take,
            of_clip=[np.flatnonzero(clip == k) for k in range(clip.max() + 1)],
            of_take=[np.flatnonzero(take == k) for k in range(take.max() + 1)],
        )

    def draw(self, rng: np.random.Generator, wish: Wish) -> Draw:
        """Draw windows: a person, one of their scenes, a window of it, and a reference for it.

        The reference of `same` is another window of the same clip, where there is one; that of
        `cross` is from another scene, and people of one scene are left out.

        Raises:
            CorpusError: `cross`, and nobody is there in two scenes.

        """
        cross = wish.pairing == "cross"
        names = [n for n, scenes in self.people.items() if len(scenes) > 1 or not cross]
        if not names:
            raise CorpusError(
                "nobody is there in two scenes, so reference and target can't be from two: add "
                "clips, name scenes in the table, or train with pairing = same"
            )
        targets, references, anchors = [], [], []
        for _ in range(wish.batch):
            scenes = self.people[names[int(rng.integers(len(names)))]]
            at = int(rng.integers(len(scenes)))
            target = _one(rng, scenes[at])
            if cross:
                at = (at + int(rng.integers(1, len(scenes)))) % len(scenes)
                reference = _one(rng, scenes[at])
            else:
                reference = self._beside(rng, target)
            targets.append(target)
            references.append(reference)
            if wish.anchor:
                anchors.append(_one(rng, self.of_take[self.take[target]]))
        return Draw(
            target=np.array(targets),
            reference=np.array(references),
            reference_frames=wish.reference_frames,
            motion=wish.motion,
            anchor=np.array(anchors) if wish.anchor else None,
        )

    def cases(self, people: int, reference_frames: int) -> Iterator[tuple[str, Draw]]:
        """Give each of the first people with a window, and a reference to make it from.

        The reference is of another scene where there is one, or else the same clip's last window.
        """
        for name in list(self.people)[:people]:
            first, *others = self.people[name]
            target = int(first[0])
            near = others[0][0] if others else self.of_clip[self.clip[target]][-1]
            yield (
                name,
                Draw(
                    target=np.array([target]),
                    reference=np.array([int(near)]),
                    reference_frames=reference_frames,
                ),
            )

    def _beside(self, rng: np.random.Generator, target: int) -> int:
        """Choose another window of the same clip, or the same where there is none."""
        near = self.of_clip[self.clip[target]]
        others = near[near != target]
        return _one(rng, others) if len(others) else target


def _one(rng: np.random.Generator, rows: np.ndarray) -> int:
    return int(rows[int(rng.integers(len(rows)))])
