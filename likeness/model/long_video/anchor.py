"""The global anchor: the frame that fixes the looks of a long clip (TAVR, section 3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from likeness.model.config import ModelError

FrameCheck = Callable[[np.ndarray], Sequence[str | None]]
"""(T, H, W, 3) uint8 frames to what is wrong with each as an anchor, or None."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """Which frame of the first chunk became the anchor.

    Attributes:
        frame: its number; 0 is the paper's.
        refused: what was wrong with each frame before it.

    """

    frame: int
    refused: tuple[str, ...]


def choose_anchor(frames: np.ndarray, check: FrameCheck | None) -> Anchor:
    """Take the first frame with which nothing is wrong; without a check, the first.

    Closed eyes in an anchor would stay closed in every later chunk.

    Raises:
        ModelError: something is wrong with every frame.

    """
    if check is None:
        return Anchor(frame=0, refused=())
    faults = check(frames)
    for number, fault in enumerate(faults):
        if fault is None:
            return Anchor(frame=number, refused=tuple(f for f in faults[:number] if f))
    raise ModelError(
        f"no frame of the first chunk can be the anchor ({faults[0]}, and so on): "
        "take another seed or reference, or generate without an anchor"
    )
