"""What requests say of movement, as tensors."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning, Request
from likeness.model.config import ModelError
from likeness.model.encoders.movement import MovementScale


def with_movement(
    cond: Conditioning, requests: Sequence[Request], scale: MovementScale | None
) -> Conditioning:
    """Add the movement to follow and the manner wanted, where any of the requests has some.

    Raises:
        ModelError: one has, and the checkpoint has no movement stream.

    """
    follow = [request.movement for request in requests]
    manner = [request.manner for request in requests]
    if all(one is None for one in (*follow, *manner)):
        return cond
    if scale is None:
        raise ModelError(
            "this checkpoint has no movement stream, so it can neither follow movement nor take a "
            "manner: leave that out, or choose one whose transformer has movement_tokens"
        )
    longest = max((len(one) for one in manner if one is not None), default=0)
    return replace(
        cond,
        movement=_rows(follow, cond.audio.shape[1], scale),
        reference_movement=_rows(manner, longest, scale),
    )


def _rows(
    coefficients: list[np.ndarray | None], frames: int, scale: MovementScale
) -> Tensor | None:
    if all(one is None for one in coefficients):
        return None
    rows = np.full((len(coefficients), frames, len(scale.names)), np.nan, np.float32)
    for row, one in zip(rows, coefficients, strict=True):
        if one is not None:
            if one.ndim != 2 or one.shape[1] != rows.shape[2]:
                raise ModelError(
                    f"movement must be (frames, {rows.shape[2]}) coefficients, got {one.shape}"
                )
            row[: len(one)] = one[:frames]
    return scale.encode(torch.from_numpy(rows))
