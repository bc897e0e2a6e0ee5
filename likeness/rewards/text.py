"""Whether a clip shows what the prompt asks for."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from likeness.rewards.base import Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.packed import unpack
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import Score


def phrases(prompt: str) -> set[str]:
    """Split a caption into its words, each with the number of its clause.

    "a green shirt, white wall" gives 0:a 0:green 0:shirt 1:white 1:wall: a white wall is another
    thing than a white shirt.
    """
    clauses = prompt.lower().split(",")
    return {f"{k}:{word}" for k, clause in enumerate(clauses) for word in clause.split()}


class WordNet(nn.Module):
    """Tells which words a frame of 64 x 64 shows: a logit for each."""

    def __init__(self, words: int, width: int = 16) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNorm(3, width, stride=2),
            ConvNorm(width, 2 * width, stride=2),
            ConvNorm(2 * width, 2 * width, stride=2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(2 * width * 64, words),
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, 64, 64) in -1..1 to (N, words)."""
        return self.body(pixels)


class TextReward:
    """Mean probability of the prompt's words that the model knows, 0..1, higher is closer.

    Words that every caption holds, and words never seen, tell nothing and are left out.

    Args:
        path: packed weights.

    """

    names = ("text",)
    version = "words-1"
    kind = "words"
    side = 64
    step = 8

    def __init__(self, path: Path) -> None:
        packed = unpack(path, self.kind)
        self.weights = packed.hash
        self.words: list[str] = packed.settings["words"]
        self.net = WordNet(len(self.words), packed.settings["width"])
        self.net.load_state_dict(packed.tensors)
        self.net.eval().to(memory_format=torch.channels_last)
        self.probabilities = ClipCache(self._probabilities)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its prompt."""
        progress(0, len(subjects), "text")
        rows = self.probabilities([s.clip for s in subjects])
        progress(len(subjects), len(subjects), "text")
        return [self._compare(s, row) for s, row in zip(subjects, rows, strict=True)]

    def _compare(self, subject: Subject, probabilities: np.ndarray) -> Score:
        if subject.prompt is None:
            return missing(self, subject, "text", "no prompt given")
        wanted = phrases(subject.prompt)
        known = [i for i, word in enumerate(self.words) if word in wanted]
        if not known:
            return missing(self, subject, "text", "the prompt holds no word that the model knows")
        return scored(self, subject, "text", float(probabilities[known].mean()))

    @torch.inference_mode()
    def _probabilities(self, clips: list[Clip]) -> list[np.ndarray]:
        rows = []
        for clip in clips:
            frames = [
                cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
                for frame in clip.frames[:: self.step]
            ]
            rows.append(self.net(as_input(np.stack(frames))).mean(0).sigmoid().numpy())
        return rows
