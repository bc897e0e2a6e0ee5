from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.clarity import ClarityModel
from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.looks import Looks, sampled
from likeness.rewards.niqe import NiqeError, Pristine, niqe, to_luma
from likeness.rewards.packed import unpack
from likeness.rewards.vision.frames import batched, curve, frames_at
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score
from likeness.store.weights import find, is_here

BATCH = 512


class QualityModel(Protocol):
    """Judges how clean frames look, without a reference."""

    @property
    def hash(self) -> str:
        """SHA-256 of the weights."""
        ...

    @property
    def version(self) -> str:
        """Name of the definition."""
        ...

    def rate(self, clips: Sequence[Footage]) -> list[float | str]:
        """Give each clip 1 (bad) .. 5 (excellent), or the reason why not."""
        ...

    def look(self, clip: Footage) -> Looks | str:
        """Give the rating of each frame that was looked at, or the reason why not."""
        ...


def recorded_quality() -> QualityModel:
    """Choose what judges recorded clips: NIQE, or measurement alone where NIQE's file is not here.

    Their versions differ, so that a board never takes one's values for the other's.

    Raises:
        WeightsError: NIQE's file is here and damaged.

    """
    return NiqeModel(find("niqe")) if is_here("niqe") else ClarityModel()


class QualityReward:
    """Cleanness of the frames, 1..5, higher is better.

    Args:
        model: what judges.

    """

    names = ("quality",)

    def __init__(self, model: QualityModel) -> None:
        self.model = model
        self.version = model.version
        self.weights = model.hash
        self.ratings = ClipCache(model.rate)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Rate each clip alone."""
        progress(0, len(subjects), "quality")
        ratings = self.ratings([s.clip for s in subjects])
        progress(len(subjects), len(subjects), "quality")
        return [
            missing(self, subject, "quality", rating)
            if isinstance(rating, str)
            else scored(self, subject, "quality", rating)
            for subject, rating in zip(subjects, ratings, strict=True)
        ]

    def detail(self, subject: Subject) -> Detail:
        """Give the rating of each frame that was looked at, and what the model measured."""
        looks = self.model.look(subject.clip)
        if isinstance(looks, str):
            return Detail()
        line = curve(len(subject.clip), looks.frames, looks.ratings)
        return Detail(values=looks.values, curves={"quality": line})


class NiqeModel:
    """NIQE of one frame a second, brought to 1..5: 2 or less is 5, 12 or more is 1.

    Args:
        path: niqe_pris_params.npz.

    """

    version = "niqe-1"

    def __init__(self, path: Path) -> None:
        self.pristine = Pristine.load(path)
        self.hash = self.pristine.hash

    def rate(self, clips: Sequence[Footage]) -> list[float | str]:
        """Average over at most 8 frames, a second or more apart."""
        return [self._rate(clip) for clip in clips]

    def look(self, clip: Footage) -> Looks | str:
        """Give each frame's rating; `niqe` is the mean before it is brought to 1..5."""
        try:
            values = self._values(clip)
        except NiqeError as error:
            return str(error)
        return Looks(
            frames=sampled(clip),
            ratings=[_to_five(value) for value in values],
            values={"niqe": float(np.mean(values))},
        )

    def _rate(self, clip: Footage) -> float | str:
        try:
            return _to_five(float(np.mean(self._values(clip))))
        except NiqeError as error:
            return str(error)

    def _values(self, clip: Footage) -> list[float]:
        frames = frames_at(clip, sampled(clip))
        return [niqe(to_luma(frame), self.pristine) for frame in frames]


def _to_five(value: float) -> float:
    return float(np.clip(5 - 0.4 * (value - 2), 1, 5))


class CleanNet(nn.Module):
    """Tells clean from blurred, noisy and blocky frames: one number a frame, 0 bad .. 1 clean.

    The mean over places is joined by the mean of the worst quarter of them: defects that show in
    one place only, such as a smeared mouth, are defects all the same.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, 2, 2, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(width),
            ConvNorm(width, 2 * width, stride=2),
            ConvNorm(2 * width, 2 * width),
            ConvNorm(2 * width, 3 * width, stride=2),
            nn.Conv2d(3 * width, 1, 1),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) in -1..1 to (N,) in 0..1."""
        places = self.body(pixels).flatten(1)
        worst = places.topk(places.shape[1] // 4, dim=1, largest=False).values
        return torch.sigmoid((places.mean(1) + worst.mean(1)) / 2)


class TestbedQuality:
    """The small quality model of the testbed, fitted to the nearness of known defects.

    Frames of other sizes are scaled to a shorter side of 64.

    Args:
        path: packed weights.

    """

    __test__ = False
    kind = "quality"
    version = "cleannet-1"
    side = 64
    step = 2

    def __init__(self, path: Path) -> None:
        packed = unpack(path, self.kind)
        self.hash = packed.hash
        self.net = CleanNet(**packed.settings)
        self.net.load_state_dict(packed.tensors)
        self.net.eval().to(memory_format=torch.channels_last)

    def rate(self, clips: Sequence[Footage]) -> list[float | str]:
        """Average over every second frame."""
        return [1 + 4 * float(self._clean(clip).mean()) for clip in clips]

    def look(self, clip: Footage) -> Looks | str:
        """Give the rating of every second frame."""
        ratings = 1 + 4 * self._clean(clip)
        return Looks(frames=range(0, len(clip), self.step), ratings=ratings.tolist())

    @torch.inference_mode()
    def _clean(self, clip: Footage) -> Tensor:
        """Tell how clean every second frame is: (n,) in 0..1."""
        parts = batched(self._shrunk(clip), BATCH)
        return torch.cat([self.net(as_input(np.stack(part))) for part in parts])

    def _shrunk(self, clip: Footage) -> Iterator[np.ndarray]:
        scale = self.side / min(clip.size)
        size = (round(clip.size[0] * scale), round(clip.size[1] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        for frame in frames_at(clip, range(0, len(clip), self.step)):
            yield frame if scale == 1 else cv2.resize(frame, size, interpolation=method)
