"""Clips to train on, as arrays on disk: people, each in several scenes."""

import hashlib
import json
from dataclasses import MISSING, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from likeness.model.config import ModelError


@dataclass(frozen=True, kw_only=True, eq=False)
class TalkingSet:
    """Takes of P people in S scenes each, T frames of one size at 25 fps.

    Attributes:
        frames: (P, S, T, H, W, 3) uint8.
        audio: (P, S, samples) float32 at 16 kHz.
        boxes: (P, S, T, 4) face boxes in pixels.
        mouths: (P, S, T, 4) mouth boxes in pixels.
        hidden: (P, S, H, W) bool, where the background is masked.
        backgrounds: (P, S, H, W, 3) uint8.
        captions: P * S prompts, scenes of one person together.
        five: (P, S, T, 5, 2) points of face alignment in pixels, NaN where they are not known, or
            None: older folders have none.
        movement: (P, S, T, 7) coefficients of ``rewards.movement``, told from the median of each
            take, or None.

    """

    frames: np.ndarray
    audio: np.ndarray
    boxes: np.ndarray
    mouths: np.ndarray
    hidden: np.ndarray
    backgrounds: np.ndarray
    captions: list[str]
    five: np.ndarray | None = None
    movement: np.ndarray | None = None

    def __post_init__(self) -> None:
        people, scenes = self.frames.shape[:2]
        if scenes < 2:
            raise ModelError(f"training needs two scenes of each person, got {scenes}")
        if len(self.captions) != people * scenes:
            raise ModelError(
                f"{people} people in {scenes} scenes need {people * scenes} captions, "
                f"got {len(self.captions)}"
            )

    def save(self, folder: Path) -> None:
        """Write one .npy an array and captions.json."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in self._arrays().items():
            np.save(folder / f"{name}.npy", array)
        (folder / "captions.json").write_text(json.dumps(self.captions))

    @classmethod
    def load(cls, folder: Path) -> "TalkingSet":
        """Read what :meth:`save` wrote; the frames stay on disk."""
        arrays = {
            f.name: np.load(folder / f"{f.name}.npy", mmap_mode="r")
            for f in fields(cls)
            if f.name != "captions"
            and (f.default is MISSING or (folder / f"{f.name}.npy").exists())
        }
        return cls(**arrays, captions=json.loads((folder / "captions.json").read_text()))

    @cached_property
    def hash(self) -> str:
        """Hash of all takes (hex); the first asking reads them all."""
        found = hashlib.sha256(json.dumps(self.captions).encode())
        for array in self._arrays().values():
            for person in array:
                found.update(np.ascontiguousarray(person).tobytes())
        return found.hexdigest()

    def first(self, people: int) -> "TalkingSet":
        """Keep the takes of the first ``people`` people."""
        arrays = {name: array[:people] for name, array in self._arrays().items()}
        return TalkingSet(**arrays, captions=self.captions[: people * self.frames.shape[1]])

    def resized(self, size: int) -> "TalkingSet":
        """Scale the pictures so that their shorter side has ``size`` pixels, and all marks with it.

        The other side becomes the nearest multiple of 16.
        """
        height, width = self.frames.shape[3:5]
        scale = size / min(height, width)
        sides = tuple(16 * round(side * scale / 16) for side in (height, width))
        factor = np.array([sides[1] / width, sides[0] / height], np.float32)
        marks = {
            "boxes": self.boxes * np.tile(factor, 2),
            "mouths": self.mouths * np.tile(factor, 2),
            "five": None if self.five is None else self.five * factor,
        }
        hidden = scaled(np.asarray(self.hidden)[..., None].astype(np.uint8) * 255, sides)
        return replace(
            self,
            frames=np.stack([scaled(person, sides) for person in self.frames]),
            backgrounds=scaled(np.asarray(self.backgrounds), sides),
            hidden=hidden[..., 0] > 0,
            **marks,
        )

    def _arrays(self) -> dict[str, np.ndarray]:
        found = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "captions"}
        return {name: array for name, array in found.items() if array is not None}


def scaled(pictures: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """(..., H, W, C) uint8 to pictures of another height and width, by area."""
    *before, height, width, channels = pictures.shape
    flat = torch.from_numpy(np.ascontiguousarray(pictures)).reshape(-1, height, width, channels)
    small = interpolate(flat.permute(0, 3, 1, 2).float(), sides, mode="area")
    out = small.round().to(torch.uint8).permute(0, 2, 3, 1)
    return out.reshape(*before, *sides, channels).numpy()
