"""Whom a face recogniser takes a generated clip for, among the people of a suite."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from likeness.rewards.identity import Portrait, chamfer
from likeness.store.records import Score


@dataclass(frozen=True, kw_only=True)
class Identification:
    """The answer for one clip.

    Attributes:
        best: the person of the gallery most like the clip.
        rank: place of the right person, 1 = recognised; people who tie count before them, so a
            clip that looks like everybody alike is not recognised.
        similarity: Chamfer similarity to the right person.
        chance: probability of rank 1 by drawing a person at random.

    """

    best: str
    rank: int
    similarity: float
    chance: float


def identify(clip: np.ndarray, identity: str, gallery: Mapping[str, np.ndarray]) -> Identification:
    """Compare a clip with every person of the gallery.

    Args:
        clip: (frames, D) unit rows of a face recogniser, at least one.
        identity: who the clip should show; one of the gallery.
        gallery: person -> (frames, D) unit rows of true clips of that person.

    Raises:
        ValueError: `identity` is not in the gallery, or the clip has no row.

    """
    if identity not in gallery:
        raise ValueError(f"{identity} is not among the {len(gallery)} people of the gallery")
    if not len(clip):
        raise ValueError(f"a clip of {identity} without faces can't be identified")
    likeness = {person: chamfer(clip, rows).value for person, rows in gallery.items()}
    right = likeness[identity]
    before = sum(value >= right for person, value in likeness.items() if person != identity)
    return Identification(
        best=max(likeness, key=lambda person: likeness[person]),
        rank=1 + before,
        similarity=right,
        chance=1 / len(gallery),
    )


def rank1(
    portrait: Portrait, identity: str, gallery: Mapping[str, np.ndarray], like: Score
) -> Score:
    """Score a clip 1 where its person is recognised and 0 where another is.

    Args:
        portrait: the clip's embeddings; with a complaint the score is missing for that reason.
        identity: who it should show.
        gallery: as in `identify`.
        like: an identity score of the same clip, which names clip and weights.

    """
    version = f"rank1-1 of {len(gallery)}"
    if portrait.complaint:
        return Score.missing(
            clip=like.clip,
            reward="rank1",
            reason=portrait.complaint,
            version=version,
            weights=like.weights,
        )
    return replace(
        like,
        reward="rank1",
        value=float(identify(portrait.embeddings, identity, gallery).rank == 1),
        reason=None,
        version=version,
    )
