"""A corpus, drawn from and read."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from likeness.model.conditioning import Conditioning, anchored
from likeness.model.config import GeneratorConfig, latent_frames
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.encoding import background_tokens, boxes_by_latent, reference_tokens
from likeness.model.generator import Generator
from likeness.rewards.sets import World
from likeness.training.batch import Batch, RegionWeights, Wish
from likeness.training.corpus.drawing import Draw, Windows
from likeness.training.corpus.forgetting import Tombstones
from likeness.training.corpus.index import hash_of, read_index
from likeness.training.corpus.people import is_held_out
from likeness.training.corpus.settings import CorpusError, check_fits, read_description
from likeness.training.corpus.shards import Shards, check_shard
from likeness.training.windows import region_weights

if TYPE_CHECKING:
    import pandas as pd


class Corpus:
    """Windows that were encoded before, a source of batches; use :meth:`open`.

    References begin where a window begins: the codec's first latent frame is of one video frame,
    so the first 1 + k latent frames of a window are what encoding its first 1 + 4k frames gives,
    as at inference. From elsewhere in a window they would have to be encoded again.

    Attributes:
        hash: of the content and of what it was made with (hex), held-out people included.
        identities: who is drawn from, sorted: no held-out people.
        held_out: the people to judge by, as a corpus of their own; None without any.
        earlier: hashes that it had before people were removed from it.
        world: whose judges it was made with.
        frames: video frames of a window.
        size: pixels of a frame's shorter side.

    """

    def __init__(
        self, index: "pd.DataFrame", shards: Shards, described: dict[str, Any], generator: Generator
    ) -> None:
        self.config: GeneratorConfig = generator.config
        self.frames: int = described["settings"]["frames"]
        self.size = min(generator.config.height, generator.config.width)
        self.hash: str = hash_of(described, index)
        self.held_out: Corpus | None = None
        self.earlier: tuple[str, ...] = ()
        self.world: World = described["settings"]["world"]
        self._windows = Windows.of(index)
        self._shards = shards
        self._place = list(zip(index["shard"], index["row"].astype(int), strict=True))
        self._names = shards.names(self._place[0][0])
        self._empty = generator.text([""])[0].cpu()
        self.identities: tuple[str, ...] = tuple(self._windows.people)

    @classmethod
    def open(
        cls, folder: Path, generator: Generator, *, verify: bool = False, least_people: int = 2
    ) -> "Corpus":
        """Open a finished corpus for the generator that it was made for.

        Args:
            folder: of the corpus.
            generator: that is to be trained; its codec and encoders made the corpus.
            verify: whether every shard is read and compared with its hash now. Otherwise a
                damaged one is found when it is read, unless its form is whole.
            least_people: that must be in it; 1 is for fitting a generator to one person.

        Raises:
            CorpusError: it isn't finished, was made for another generator, holds too few people,
                or a shard is missing or damaged.

        """
        described = read_description(folder)
        check_fits(described, generator, folder)
        index = read_index(folder)
        if not len(index):
            raise CorpusError(f"{folder} holds no window: its card.md says what was refused, why")
        share = described["settings"].get("held_out", 0.0)
        apart = np.array([is_held_out(name, share) for name in index["identity"]], bool)
        people = len(set(index["identity"][~apart]))
        if not people:
            raise CorpusError(
                f"{folder} holds all its people out, and none are left to learn from: make it with "
                "a smaller --held-out, or add clips of others"
            )
        if people < least_people:
            raise CorpusError(
                f"{folder} shows {people} person to learn from, and identity can't be learnt from "
                "one: a generator that never sees two people has no need to look at the reference. "
                "Add clips of others"
            )
        shards = Shards(folder)
        for name in index["shard"].unique():
            check_shard(shards.path(name), name, whole=verify)
        corpus = cls(index.loc[~apart].reset_index(drop=True), shards, described, generator)
        corpus.hash = hash_of(described, index)
        corpus.earlier = Tombstones.read(folder).corpora
        if apart.any():
            rest = index.loc[apart].reset_index(drop=True)
            corpus.held_out = cls(rest, shards, described, generator)
        return corpus

    @property
    def people(self) -> int:
        """How many."""
        return len(self.identities)

    def __len__(self) -> int:
        return len(self._place)

    def shaped(self, frames: int | None, size: int | None) -> "Corpus":
        """Give itself: what is encoded has the shape it was made in.

        Raises:
            CorpusError: another shape is wanted.

        """
        for name, wanted, made in (("frames", frames, self.frames), ("size", size, self.size)):
            if wanted not in {None, made}:
                raise CorpusError(
                    f"this corpus was made with {name} {made}, and a stage wants {wanted}: make "
                    "another one with such a checkpoint, or train on takes"
                )
        return self

    def draw(self, rng: np.random.Generator, wish: Wish) -> Draw:
        """Choose windows for a batch, by the numbers of ``rng`` alone; nothing is read.

        Raises:
            CorpusError: nobody is there in two scenes, or the reference or the motion is longer
                than the windows.

        """
        if not 1 <= wish.reference_frames <= self.frames or wish.reference_frames % TIME != 1:
            raise CorpusError(
                f"reference_frames must be 1 + 4k and at most a window's {self.frames} frames, got "
                f"{wish.reference_frames}: make the corpus with a longer --window, or ask for fewer"
            )
        if not 0 <= wish.motion < latent_frames(self.frames):
            raise CorpusError(
                f"motion must leave some of a window's {latent_frames(self.frames)} latent frames, "
                f"got {wish.motion}"
            )
        return self._windows.draw(rng, wish)

    def cases(self, people: int, reference_frames: int) -> Iterator[tuple[str, Draw]]:
        """Give each of the first people with a window of theirs and a reference to make it from."""
        return self._windows.cases(people, reference_frames)

    def make(self, draw: Draw, regions: RegionWeights, rows: slice | None = None) -> Batch:
        """Read rows of a draw; a row is the same whichever others are read with it.

        Raises:
            CorpusError: a shard is missing or damaged.

        """
        draw = draw if rows is None else draw.rows(rows)
        latents = self._target_latents(draw)
        target, reference = draw.target, draw.reference
        hidden = self._read("hidden", target)
        boxes = self._read("boxes", target)
        known = draw.reference_frames
        reference_boxes = boxes_by_latent(self._read("boxes", reference)[:, :known])
        cond = Conditioning(
            text=self._text(target),
            empty_text=self._empty.expand(len(draw), -1, -1),
            audio=self._read("speech", target),
            background=self._read("background", target),
            background_keep=background_tokens(hidden, self.config.background_visible),
            reference=self._read("latents", reference)[:, :, : latent_frames(known)],
            reference_keep=reference_tokens(reference_boxes, self.config),
            reference_audio=self._read("speech", reference)[:, :known],
            hidden=avg_pool2d(hidden[:, None].float(), 8)[:, :, None],
            hidden_pixels=hidden,
            motion=latents[:, :, : draw.motion] if draw.motion else None,
        )
        if draw.anchor is not None:
            cond = anchored(cond, self._read("latents", draw.anchor)[:, :, :1])
        weight = region_weights(
            boxes, self._read("mouths", target), self.config.latent_size, regions
        )
        moves = "movement" in self._names
        return Batch(
            clean=latents[:, :, draw.motion :],
            cond=cond,
            weight=weight[:, :, draw.motion :],
            boxes=boxes,
            five=self._read("five", target),
            portrait=self._read("portrait", reference) if "portrait" in self._names else None,
            movement=self._read("movement", target) if moves else None,
            manner=self._read("movement", reference)[:, : draw.reference_frames] if moves else None,
            audio=self._read("audio", target),
        )

    def movement(self) -> np.ndarray:
        """All frames' coefficients of movement, (frames, 7), to fit a scale on.

        Raises:
            CorpusError: it was made without landmarks.

        """
        if "movement" not in self._names:
            raise CorpusError("this corpus has no movement: make it where landmarks can be found")
        rows = self._read("movement", np.arange(len(self)))
        return rows.flatten(0, 1).numpy()

    def _read(self, tensor: str, rows: np.ndarray) -> Tensor:
        places = [self._place[row] for row in rows.tolist()]
        return torch.stack([self._shards.read(name, tensor, row) for name, row in places])

    def _target_latents(self, draw: Draw) -> Tensor:
        """(B, C, T, h, w), as inside a longer clip where the draw has motion."""
        latents = self._read("latents", draw.target)
        if draw.motion:
            for at, row in enumerate(draw.target.tolist()):
                name, place = self._place[row]
                differing = self._shards.read(name, "continued", place)
                latents[at, :, : differing.shape[1]] = differing
        return latents

    def _text(self, rows: np.ndarray) -> Tensor:
        """(B, L, D); a shard keeps a prompt's features without the zeros behind them."""
        length = len(self._empty)
        places = [self._place[row] for row in rows.tolist()]
        found = [self._shards.read(name, "text", row) for name, row in places]
        return torch.stack([pad(text, (0, 0, 0, length - len(text))) for text in found])
