"""A long clip as it is made, and what is found out about it on the way."""

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from likeness.model import Generator, Request
from likeness.model.long_video import LongVideo, LongVideoSettings
from likeness.rewards.anchors import AnchorCheck
from likeness.rewards.drift import DriftMeter
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress


class LongTake:
    """A long clip with its anchor judged and its drift measured.

    Args:
        generator: makes it.
        request: what is asked for.
        settings: of the clip.
        rewards: whose landmarks see closed eyes, and whose recogniser sees drift; what of these
            is not there is left out.
        parts: folder of the chunks.

    """

    def __init__(
        self,
        generator: Generator,
        request: Request,
        settings: LongVideoSettings,
        rewards: RewardSet,
        parts: Path,
    ) -> None:
        faces, landmarker, recogniser = rewards.faces, rewards.landmarker, rewards.recogniser
        check = AnchorCheck(faces, landmarker) if landmarker else None
        self.parts = parts
        self.video = LongVideo(generator, request, settings, folder=parts, check=check)
        self.meter = (
            DriftMeter(faces, recogniser, request.reference.frames, generator.config.fps)
            if recogniser
            else None
        )

    def make(self, progress: Progress) -> None:
        """Generate what is missing."""
        self.video.make(progress)

    def blocks(self) -> Iterator[np.ndarray]:
        """Decode the frames, (T, H, W, 3) uint8 at a time, and measure them."""
        for block in self.video.frames():
            if self.meter is not None:
                self.meter.add(block)
            yield block

    def facts(self) -> dict[str, Any]:
        """Tell of the chunks, the anchor and, when all blocks have gone by, the drift."""
        anchor = self.video.anchor()
        return {
            "chunks": len(self.video.chunks),
            "seams": self.video.seams,
            "anchor_frame": None if anchor is None else asdict(anchor),
            "drift": None if self.meter is None else self.meter.result(self.video.seams).to_dict(),
        }

    def discard(self) -> None:
        """Remove the chunks."""
        shutil.rmtree(self.parts, ignore_errors=True)
