"""Whether a clip shows what the prompt asks for."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from likeness.rewards.base import Detail, Subject, missing, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.layers import ConvNorm, as_input
from likeness.rewards.packed import unpack
from likeness.rewards.vision.frames import batched, curve, frames_at
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

BATCH = 512


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
        self.logits = ClipCache(self._logits)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Compare each clip with its prompt."""
        progress(0, len(subjects), "text")
        rows = self.logits([s.clip for s in subjects])
        progress(len(subjects), len(subjects), "text")
        return [self._compare(s, row) for s, row in zip(subjects, rows, strict=True)]

    def detail(self, subject: Subject) -> Detail:
        """Give the probability of each known word of the prompt, and of all of them by frame."""
        known = self._known(subject.prompt)
        if not known:
            return Detail()
        logits = self.logits([subject.clip])[0][:, known]
        words = zip(known, logits.mean(0).sigmoid().tolist(), strict=True)
        frames = range(0, len(subject.clip), self.step)
        line = curve(len(subject.clip), frames, logits.sigmoid().mean(1).tolist())
        return Detail(
            values={f"text_{self.words[i]}": chance for i, chance in words}, curves={"text": line}
        )

    def _known(self, prompt: str | None) -> list[int]:
        wanted = phrases(prompt or "")
        return [i for i, word in enumerate(self.words) if word in wanted]

    def _compare(self, subject: Subject, logits: Tensor) -> Score:
        if subject.prompt is None:
            return missing(self, subject, "text", "no prompt given")
        known = self._known(subject.prompt)
        if not known:
            return missing(self, subject, "text", "the prompt holds no word that the model knows")
        probabilities = logits.mean(0).sigmoid().numpy()
        return scored(self, subject, "text", float(probabilities[known].mean()))

    @torch.inference_mode()
    def _logits(self, clips: Sequence[Footage]) -> list[Tensor]:
        """Logits of each clip's frames: (frames, words)."""
        return [
            torch.cat([self.net(as_input(np.stack(part))) for part in self._shrunk(clip)])
            for clip in clips
        ]

    def _shrunk(self, clip: Footage) -> Iterator[list[np.ndarray]]:
        frames = frames_at(clip, range(0, len(clip), self.step))
        small = (
            cv2.resize(frame, (self.side, self.side), interpolation=cv2.INTER_AREA)
            for frame in frames
        )
        return batched(small, BATCH)
