"""The movement of an order's films, which a clip is to follow or to take the manner of."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from likeness.cli.making.inputs import InputError, Read
from likeness.model import Generator
from likeness.rewards.movement import COEFFICIENTS, coefficients, movement_of
from likeness.rewards.sets import RewardSet
from likeness.store.media import decode

_LEAST_FRAMES = 5


def moved(one: Read, generator: Generator, rewards: RewardSet) -> Read:
    """Add what the order's `follow` and `style` show, at the generator's rate.

    Raises:
        MediaError: a film can't be read.
        InputError: the checkpoint has no movement stream for it, or a film shows no face.

    """
    order = one.order
    if not order.moving:
        return one
    told = " and ".join(f"--{name}" for name in order.moving)
    scale = generator.movement
    if scale is None:
        raise InputError(
            f"{told}: this checkpoint has no movement stream; leave {told} out, or choose a "
            "checkpoint whose transformer has movement_tokens"
        )
    if scale.names != COEFFICIENTS:
        raise InputError(
            f"{told}: the checkpoint's movement is {', '.join(scale.names)}, what can be measured "
            f"is {', '.join(COEFFICIENTS)}"
        )
    fps = generator.config.fps
    found = {name: _movement(path, fps, rewards) for name, path in order.moving.items()}
    follow, notes = found.get("follow"), list(one.notes)
    if follow is not None and len(follow) < one.frames:
        notes.append(
            f"{order.follow}: {len(follow) / fps:.2f} s of movement for a clip of "
            f"{one.frames / fps:.2f} s; what comes later moves freely"
        )
    request = replace(one.request, movement=follow, manner=found.get("style"))
    return replace(one, request=request, notes=tuple(notes))


def _movement(path: Path, fps: float, rewards: RewardSet) -> np.ndarray:
    """Measure (F, 7) coefficients; frames without a face are filled between their neighbours."""
    landmarker = rewards.landmarker
    if landmarker is None:
        raise InputError(f"{path}: the landmarks' weights are not here; see `likeness weights`")
    clip = decode(path, fps=fps, need_audio=False)
    track = rewards.faces.tracks([clip])[0]
    if complaint := track.complaint(_LEAST_FRAMES):
        raise InputError(f"{path}: {complaint}; its movement can't be told")
    return coefficients(movement_of(clip, track, landmarker))
