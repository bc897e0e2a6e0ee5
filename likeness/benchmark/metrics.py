"""What a board can show: how a reward's values become a column, and what the column means."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from likeness.benchmark.statistics import Estimate, People, mean_estimate, share_estimate


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A column of a board.

    Attributes:
        name: key in board.json.
        reward: name of the Score it is made of.
        label: heading for people.
        better: which way is good; None where neither is.
        digits: decimals worth reading.
        caption: what the number means, in a plain sentence or two.
        within: where given, a case counts 1 when |value| <= within, else 0.
        share: the values are zeros and ones, and the column is the share of ones.

    """

    name: str
    reward: str
    label: str
    better: Literal["higher", "lower"] | None
    digits: int
    caption: str
    within: float | None = None
    share: bool = False

    def of(self, value: float) -> float:
        """Turn a reward's value for one clip into the column's; NaN stays NaN."""
        if self.within is None or math.isnan(value):
            return value
        return float(abs(value) <= self.within)

    def estimate(self, values: Sequence[float] | np.ndarray, people: People) -> Estimate:
        """Average the column's values over the cases, with the interval over people."""
        return (share_estimate if self.share else mean_estimate)(values, people)

    def gain(self, change: float) -> float:
        """Turn a change of the column into an improvement: positive is better."""
        return -change if self.better == "lower" else change


_COLUMNS = (
    Metric(
        name="identity_target",
        reward="identity_target",
        label="Identity to target",
        better="higher",
        digits=3,
        caption="How much the face resembles the same person in the true clip of the new scene: "
        "Chamfer similarity of face-recogniser embeddings; 1 is the same picture, about 0 is "
        "a stranger.",
    ),
    Metric(
        name="identity_ref",
        reward="identity_ref",
        label="Identity to reference",
        better="higher",
        digits=3,
        caption="The same similarity to the reference clip that the generator was shown. A copy "
        "of the reference scores 1 without being of any use.",
    ),
    Metric(
        name="rank1",
        reward="rank1",
        label="Recognised",
        better="higher",
        digits=2,
        share=True,
        caption="Share of clips that the face recogniser assigns to the right person among all "
        "people of the suite. Chance is one over the number of people.",
    ),
    Metric(
        name="sync_c",
        reward="sync_c",
        label="Sync confidence",
        better="higher",
        digits=3,
        caption="How clearly the mouth matches the speech at one time shift rather than at any "
        "other (Sync-C).",
    ),
    Metric(
        name="sync_d",
        reward="sync_d",
        label="Sync distance",
        better="lower",
        digits=3,
        caption="Distance between mouth and speech at the best time shift (Sync-D).",
    ),
    Metric(
        name="offset_within_1",
        reward="sync_offset",
        label="In sync",
        better="higher",
        digits=2,
        within=1.0,
        share=True,
        caption="Share of clips whose mouth is at most one frame (40 ms) early or late.",
    ),
    Metric(
        name="motion",
        reward="motion",
        label="Motion",
        better="higher",
        digits=3,
        caption="How near the clip's movement (head, blinks, mouth, jerkiness) is to the way the "
        "same person moves in the reference, 0 to 1; too still and too lively both lose.",
    ),
    Metric(
        name="quality",
        reward="quality",
        label="Quality",
        better="higher",
        digits=2,
        caption="Cleanness of the picture from the frames alone, without a reference: 1 to 5.",
    ),
    Metric(
        name="text",
        reward="text",
        label="Text",
        better="higher",
        digits=3,
        caption="How well scene and clothes follow the prompt.",
    ),
    Metric(
        name="leak",
        reward="leak",
        label="Reference's scene",
        better="lower",
        digits=3,
        caption="Share of the reference's scene in the background behind the person: 0 where the "
        "clip shows the scene that was asked for, 1 where it copies the reference's.",
    ),
    Metric(
        name="combined",
        reward="combined",
        label="Combined reward",
        better="higher",
        digits=3,
        caption="Weighted mean of all rewards, each from 0 where the packaged generator is to 1 "
        "where true clips are; a broken limit makes it the worst.",
    ),
    Metric(
        name="movement_follow",
        reward="movement_follow",
        label="Movement as asked",
        better="higher",
        digits=3,
        caption="Correlation over time of the movement measured in the clip with that asked for, "
        "mean over head, turn, eyes and mouth.",
    ),
    Metric(
        name="manner_rank1",
        reward="manner_rank1",
        label="Manner recognised",
        better="higher",
        digits=2,
        share=True,
        caption="Share of clips whose way of moving is nearest to that of the person whose manner "
        "was wanted, among all people of the suite. Chance is one over the number of people.",
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _COLUMNS}
