"""Q-Align: a vision-language model's word for how good something looks, as a number.

Wu et al. 2023, "Q-Align: Teaching LMMs for Visual Scoring via Discrete Text-Defined Levels": the
answer is made to begin with "The quality of the image is", and the chances of the five level words
to come next, against one another, weigh the numbers 5 to 1.
"""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from likeness.rewards.base import Detail, Subject, scored
from likeness.rewards.cache import ClipCache
from likeness.rewards.vision.checkpoints import CheckpointError
from likeness.rewards.vision.frames import curve, each_second, frames_at, square
from likeness.store.clip import Footage
from likeness.store.progress import Progress, silent
from likeness.store.records import Score

LEVELS = ("excellent", "good", "fair", "poor", "bad")
VALUES = (5.0, 4.0, 3.0, 2.0, 1.0)
MOST_FRAMES = 32
MOST_PICTURES = 32
SIDE = 448

Form = Literal["image", "video"]


class Encoder(Protocol):
    """What `level_tokens` asks of a tokenizer of transformers."""

    unk_token_id: int | None

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Split a text into token ids."""
        ...


class LevelModel(Protocol):
    """A vision-language model that can be asked for the word that comes next."""

    @property
    def hash(self) -> str:
        """SHA-256 of the model's files."""
        ...

    @property
    def kind(self) -> str:
        """The model's type, as its configuration calls it."""
        ...

    @property
    def colour(self) -> tuple[int, int, int]:
        """Mean colour of the processor, 0..255: what frames are padded with."""
        ...

    def logits(self, stills: Sequence[Sequence[Image.Image]], form: Form) -> Tensor:
        """Give the levels' logits after `opening(form)`: (n, 5).

        Args:
            stills: for each of n subjects its pictures, all of one number and size.
            form: how the pictures are spoken of.

        """
        ...


def question(form: Form) -> str:
    """Word what is asked of the pictures."""
    return f"How would you rate the quality of this {form}?"


def opening(form: Form) -> str:
    """Word what the answer begins with."""
    return f"The quality of the {form} is"


def level_tokens(tokenizer: Encoder, form: Form) -> list[int]:
    """Find the token of each level word after `opening(form)`.

    A tokenizer that binds the space to the word (byte-level BPE, SentencePiece) gives the token
    of " excellent"; one that drops spaces gives that of "excellent".

    Raises:
        CheckpointError: a level is not one token of its own, so that its chance can't be read.

    """
    start = tokenizer.encode(opening(form), add_special_tokens=False)
    for text in (lambda word: f"{opening(form)} {word}", lambda word: opening(form) + word):
        rows = [tokenizer.encode(text(word), add_special_tokens=False) for word in LEVELS]
        single = all(row[: len(start)] == start and len(row) == len(start) + 1 for row in rows)
        tokens = [row[-1] for row in rows]
        if single and len(set(tokens)) == len(LEVELS) and tokenizer.unk_token_id not in tokens:
            return tokens
    raise CheckpointError(
        f"the tokenizer splits some of {', '.join(LEVELS)} or knows them not; the level scorer "
        "needs each as one token: take another model"
    )


def probabilities(logits: Tensor) -> Tensor:
    """Softmax over the levels in float32: (..., 5) to (..., 5)."""
    return logits.float().softmax(dim=-1)


def mean_level(chances: np.ndarray) -> np.ndarray:
    """Weigh 5 to 1 by the levels' chances: (..., 5) to (...) in 1..5."""
    return chances @ np.array(VALUES)


def to_unit(level: float) -> float:
    """Bring 1..5 to 0..1, as the papers' other form has it."""
    return (level - 1) / 4


class LevelReward:
    """How good a clip looks in the words of a vision-language model, 1 (bad) .. 5 (excellent).

    The video form shows one frame a second, at most 32, in a single forward; the image form asks
    about each of them alone and averages.

    Args:
        model: what is asked.
        form: `video` or `image`.

    """

    names = ("qalign",)

    def __init__(self, model: LevelModel, form: Form = "video") -> None:
        self.model = model
        self.form: Form = form
        self.version = f"levels-{model.kind}-{form}-1"
        self.weights = model.hash
        self.chances = ClipCache(self._chances)

    def score(self, subjects: Sequence[Subject], progress: Progress = silent) -> list[Score]:
        """Ask about each clip."""
        progress(0, len(subjects), "qalign")
        rows = self.chances([subject.clip for subject in subjects])
        progress(len(subjects), len(subjects), "qalign")
        return [
            scored(self, subject, "qalign", float(mean_level(row).mean()))
            for subject, row in zip(subjects, rows, strict=True)
        ]

    def detail(self, subject: Subject) -> Detail:
        """Give each level's chance, the 0..1 form, and the level of each frame seen alone."""
        clip = subject.clip
        chances = self.chances([clip])[0].mean(axis=0)
        seen = each_second(clip, MOST_FRAMES)
        alone = mean_level(self._ask([[still] for still in self._stills(clip)], "image"))
        values = {f"level_{word}": float(p) for word, p in zip(LEVELS, chances, strict=True)}
        values["qalign_unit"] = to_unit(float(mean_level(chances)))
        return Detail(values=values, curves={"qalign": curve(len(clip), seen, alone.tolist())})

    def _stills(self, clip: Footage) -> list[Image.Image]:
        frames = frames_at(clip, each_second(clip, MOST_FRAMES))
        return [square(frame, self.model.colour, SIDE) for frame in frames]

    def _chances(self, clips: Sequence[Footage]) -> list[np.ndarray]:
        """Ask about clips, those of a kind together: for each (questions, 5)."""
        stills = [self._stills(clip) for clip in clips]
        if self.form == "image":
            return [self._ask([[still] for still in row], "image") for row in stills]
        alike: dict[tuple[int, int], list[int]] = {}
        for index, row in enumerate(stills):
            alike.setdefault((len(row), row[0].width), []).append(index)
        found = {}
        for indices in alike.values():
            rows = self._ask([stills[i] for i in indices], "video")
            found |= {i: row[None] for i, row in zip(indices, rows, strict=True)}
        return [found[i] for i in range(len(clips))]

    def _ask(self, stills: Sequence[Sequence[Image.Image]], form: Form) -> np.ndarray:
        """Ask about equal numbers of equal pictures: (n, 5), at most 32 pictures a forward."""
        size = max(1, MOST_PICTURES // len(stills[0]))
        parts = [
            probabilities(self.model.logits(stills[at : at + size], form)).cpu()
            for at in range(0, len(stills), size)
        ]
        return torch.cat(parts).double().numpy()
