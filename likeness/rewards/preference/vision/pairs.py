from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from likeness.rewards.preference.ballots import Ballots
from likeness.store.clip import Footage
from likeness.store.media import decode
from likeness.store.sheets import from_sheet

if TYPE_CHECKING:
    import pandas as pd
    from datasets import Dataset


@dataclass(frozen=True, kw_only=True)
class ClipPair:
    """A clip that people preferred to another.

    Attributes:
        chosen: file of the preferred clip.
        rejected: file of the other.
        condition: what both were made for.
        prompt: what the text asked for; "" where it is not known.
        margin: by how much the scores should differ at least, >= 0.

    """

    chosen: Path
    rejected: Path
    condition: str
    prompt: str = ""
    margin: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PairSet:
    """Pairs out of votes.

    Attributes:
        pairs: one a vote for a side.
        left_out: answer -> how many votes gave it and say nothing to a pairwise loss.

    """

    pairs: tuple[ClipPair, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)


def pairs_of(table: "pd.DataFrame", sheet: Path) -> PairSet:
    """Read pairs from a table of votes whose clips are files, relative to the table.

    Optional columns are condition, prompt and margin. Ties and "both bad" are left out.

    Raises:
        PreferenceError: a vote can't be; the message names the row.

    """
    votes = Ballots.of_table(table)
    given = set(table.columns)
    pairs = []
    left_out: dict[str, int] = {}
    for row, condition in zip(table.to_dict("records"), votes.conditions, strict=True):
        winner = row["winner"]
        if winner not in ("left", "right"):
            left_out[winner] = left_out.get(winner, 0) + 1
            continue
        loser = "right" if winner == "left" else "left"
        chosen, rejected = (from_sheet(str(row[side]), sheet) for side in (winner, loser))
        prompt, margin = row.get("prompt"), row.get("margin")
        pairs.append(
            ClipPair(
                chosen=chosen,
                rejected=rejected,
                condition=str(condition),
                prompt=prompt if "prompt" in given and isinstance(prompt, str) else "",
                margin=float(margin) if isinstance(margin, int | float) and margin > 0 else 0.0,
            )
        )
    return PairSet(pairs=tuple(pairs), left_out=left_out)


def spread_frames(clip: Footage, count: int, side: int) -> list[np.ndarray]:
    """Pick frames evenly from first to last, at most `side` pixels long on their longer side.

    Returns:
        `count` arrays (h, w, 3) uint8; a frame comes more than once where the clip is shorter.

    """
    wanted = np.linspace(0, len(clip) - 1, count).round().astype(int).tolist()
    kept: dict[int, np.ndarray] = {}
    start = 0
    for piece in clip.pieces():
        kept |= {t: _fit(piece[t - start], side) for t in wanted if 0 <= t - start < len(piece)}
        start += len(piece)
    return [kept[t] for t in wanted]


def pair_dataset(pairs: Sequence[ClipPair], frames: int, side: int) -> "Dataset":
    """Make the set that trl's trainer goes through: prompt, margin, frames of both clips as PNG.

    Raises:
        MediaError: a clip can't be read.

    """
    from datasets import Dataset, Features, Image, List, Value
    from PIL.Image import fromarray

    pictures = List(Image())
    features = Features(
        {
            "prompt": Value("string"),
            "margin": Value("float32"),
            "chosen": pictures,
            "rejected": pictures,
        }
    )
    rows: dict[str, list[Any]] = {name: [] for name in features}
    for pair, chosen, rejected in _read(pairs, frames, side):
        rows["prompt"].append(pair.prompt)
        rows["margin"].append(pair.margin)
        rows["chosen"].append([fromarray(frame) for frame in chosen])
        rows["rejected"].append([fromarray(frame) for frame in rejected])
    return Dataset.from_dict(rows, features=features)


def _read(
    pairs: Sequence[ClipPair], frames: int, side: int
) -> Iterator[tuple[ClipPair, list[np.ndarray], list[np.ndarray]]]:
    for pair in pairs:
        chosen, rejected = (
            spread_frames(decode(path, need_audio=False), frames, side)
            for path in (pair.chosen, pair.rejected)
        )
        yield pair, chosen, rejected


def _fit(frame: np.ndarray, side: int) -> np.ndarray:
    height, width = frame.shape[:2]
    share = side / max(height, width)
    if share >= 1:
        return frame.copy()
    size = (max(1, round(width * share)), max(1, round(height * share)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
