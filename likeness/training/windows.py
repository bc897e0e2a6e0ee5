"""Windows of takes as latents and conditions."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning, anchored
from likeness.model.config import GeneratorConfig, ModelError, latent_frames
from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.encoding import (
    background_tokens,
    boxes_by_latent,
    encode_background,
    reference_tokens,
    to_signed,
)
from likeness.model.generator import Generator
from likeness.model.network.streams import tokens_in_boxes
from likeness.rewards.identity import portrait_of
from likeness.rewards.recognisers import Recogniser
from likeness.training.batch import Batch, RegionWeights, Wish
from likeness.training.talking_set import TalkingSet

PORTRAIT_STEP = 5  # frames nearer to each other tell a recogniser nothing new


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which windows of which takes make a batch; arrays are (B,) int.

    Attributes:
        reference_frames: video frames of the reference.
        motion: latent frames of the target window that are given, as in the further chunks of a
            long clip; its first frame is then inside a take.
        anchor_start: of a whole frame of the target's take that stands in for the background.

    """

    person: np.ndarray
    target_scene: np.ndarray
    reference_scene: np.ndarray
    target_start: np.ndarray
    reference_start: np.ndarray
    reference_frames: int
    motion: int = 0
    anchor_start: np.ndarray | None = None

    def rows(self, rows: slice) -> "Draw":
        """Keep some rows."""
        kept = {k: v[rows] for k, v in vars(self).items() if isinstance(v, np.ndarray)}
        return replace(self, **kept)


def region_weights(
    boxes: Tensor, mouths: Tensor, size: tuple[int, int], weights: RegionWeights
) -> Tensor:
    """Weigh the cells of latents by what they show.

    Args:
        boxes: (B, 1 + 4k, 4) of faces by video frame, in shares of width and height; a NaN row
            shows none.
        mouths: the same of mouths.
        size: height and width of a latent frame.
        weights: of each region.

    Returns:
        (B, 1, 1 + k, h, w).

    """
    out = torch.full((len(boxes), latent_frames(boxes.shape[1]), size[0] * size[1]), weights.rest)
    for region, weight in ((boxes, weights.face), (mouths, weights.mouth)):
        out[tokens_in_boxes(boxes_by_latent(region), size, 0.0)] = weight
    return out.unflatten(2, size)[:, None]


class BatchMaker:
    """Windows of a :class:`TalkingSet` as latents and conditions.

    Args:
        data: the takes.
        generator: whose codec and encoders are used.
        recogniser: what makes portraits of the people; without one batches have none.

    """

    def __init__(
        self, data: TalkingSet, generator: Generator, recogniser: Recogniser | None = None
    ) -> None:
        self.data = data
        self.recogniser = recogniser
        self._portraits: dict[tuple[int, int], np.ndarray] = {}
        self.config: GeneratorConfig = generator.config
        self.codec = generator.codec
        people, scenes, frames = data.frames.shape[:3]
        self.speech = np.stack(
            [
                [generator.speech(data.audio[p, s], frames, self.config.fps) for s in range(scenes)]
                for p in range(people)
            ]
        )
        text = generator.text(data.captions, cut=True)
        self.text = text.unflatten(0, (people, scenes))
        self.empty = generator.text([""])

    @property
    def hash(self) -> str:
        """Of the takes."""
        return self.data.hash

    def movement(self) -> np.ndarray:
        """All frames' coefficients of movement, (frames, 7), to fit a scale on.

        Raises:
            ModelError: the takes have none.

        """
        if self.data.movement is None:
            raise ModelError("these takes have no movement: film them anew with `testbed film`")
        return np.asarray(self.data.movement).reshape(-1, self.data.movement.shape[-1])

    @property
    def identities(self) -> tuple[str, ...]:
        """Nobody: drawn people have no rights in their faces."""
        return ()

    def shaped(self, frames: int | None, size: int | None) -> "BatchMaker":
        """Give the same takes in shorter windows, or smaller."""
        other = copy(self)
        if size is not None and size != min(self.data.frames.shape[3:5]):
            other.data = self.data.resized(size)
        height, width = other.data.frames.shape[3:5]
        other.config = replace(
            self.config, frames=frames or self.config.frames, height=height, width=width
        )
        return other

    def draw(self, rng: np.random.Generator, wish: Wish) -> Draw:
        """Draw windows: reference and target from one scene of a person, or from two."""
        people, scenes, frames = self.data.frames.shape[:3]
        batch = wish.batch
        target_scene = rng.integers(scenes, size=batch)
        shift = rng.integers(1, scenes, size=batch) if wish.pairing == "cross" else 0
        first = TIME if wish.motion else 0
        return Draw(
            motion=wish.motion,
            anchor_start=rng.integers(frames, size=batch) if wish.anchor else None,
            person=rng.integers(people, size=batch),
            target_scene=target_scene,
            reference_scene=(target_scene + shift) % scenes,
            target_start=rng.integers(first, frames - self.config.frames + 1, size=batch),
            reference_start=rng.integers(frames - wish.reference_frames + 1, size=batch),
            reference_frames=wish.reference_frames,
        )

    def _windows(
        self, array: np.ndarray, person: np.ndarray, scene: np.ndarray, span: tuple
    ) -> np.ndarray:
        starts, length = span
        rows = zip(person, scene, starts, strict=True)
        return np.stack([array[p, s, a : a + length] for p, s, a in rows])

    @torch.no_grad()
    def make(self, draw: Draw, regions: RegionWeights, rows: slice = slice(None)) -> Batch:
        """Make these rows of a draw; its motion is part of the conditions."""
        draw = draw.rows(rows)
        data = self.data
        target = (draw.person, draw.target_scene, (draw.target_start, self.config.frames))
        reference = (
            draw.person,
            draw.reference_scene,
            (draw.reference_start, draw.reference_frames),
        )
        latents = self._target_latents(draw)
        boxes = boxes_by_latent(self._fractions(data.boxes, reference))
        hidden = torch.from_numpy(np.asarray(data.hidden[draw.person, draw.target_scene]))
        plates = to_signed(np.asarray(data.backgrounds[draw.person, draw.target_scene]))
        batch = len(draw.person)
        cond = Conditioning(
            text=self.text[draw.person, draw.target_scene],
            empty_text=self.empty.expand(batch, -1, -1),
            audio=torch.from_numpy(self._windows(self.speech, *target)),
            background=encode_background(self.codec, plates, hidden),
            background_keep=background_tokens(hidden, self.config.background_visible),
            reference=self.codec.encode(to_signed(self._windows(data.frames, *reference))),
            reference_keep=reference_tokens(boxes, self.config),
            reference_audio=torch.from_numpy(self._windows(self.speech, *reference)),
            hidden=torch.nn.functional.avg_pool2d(hidden[:, None].float(), 8)[:, :, None],
            hidden_pixels=hidden,
            motion=latents[:, :, : draw.motion] if draw.motion else None,
        )
        if draw.anchor_start is not None:
            where = (draw.person, draw.target_scene, (draw.anchor_start, 1))
            cond = anchored(cond, self.codec.encode(to_signed(self._windows(data.frames, *where))))
        five, portrait = self._marks(draw, target)
        movement, manner = self._movement(draw, target)
        return Batch(
            clean=latents[:, :, draw.motion :],
            cond=cond,
            weight=self._region_weights(target, regions)[:, :, draw.motion :],
            boxes=self._fractions(data.boxes, target),
            five=five,
            portrait=portrait,
            movement=movement,
            manner=manner,
            audio=torch.from_numpy(self._audio(draw)),
        )

    def _marks(self, draw: Draw, target: tuple) -> tuple[Tensor | None, Tensor | None]:
        """Points of the targets' faces and the people's portraits, where they are known."""
        if self.data.five is None:
            return None, None
        scale = torch.tensor([self.config.width, self.config.height], dtype=torch.float32)
        five = torch.from_numpy(self._windows(self.data.five, *target)).float() / scale
        if self.recogniser is None:
            return five, None
        seen = zip(draw.person.tolist(), draw.reference_scene.tolist(), strict=True)
        return five, torch.from_numpy(np.stack([self._portrait(p, s) for p, s in seen]))

    def _movement(self, draw: Draw, target: tuple) -> tuple[Tensor | None, Tensor | None]:
        """Movement of the targets, and of the whole take that the reference is cut out of.

        A second shows little of how somebody moves. Where reference and target are one take, what
        is asked for lies open in it: a movement stream is better taught across scenes.
        """
        if self.data.movement is None:
            return None, None
        manner = np.asarray(self.data.movement[draw.person, draw.reference_scene])
        moved = self._windows(self.data.movement, *target)
        return torch.from_numpy(moved), torch.from_numpy(manner)

    def _portrait(self, person: int, scene: int) -> np.ndarray:
        """(D,) unit mean of a take's embeddings, NaN where no face of it is known."""
        assert self.recogniser is not None and self.data.five is not None
        if (person, scene) not in self._portraits:
            frames = self.data.frames[person, scene, ::PORTRAIT_STEP]
            five = self.data.five[person, scene, ::PORTRAIT_STEP]
            self._portraits[person, scene] = portrait_of(frames, five, self.recogniser)
        return self._portraits[person, scene]

    def _audio(self, draw: Draw) -> np.ndarray:
        """(B, samples) of the target windows; silence beyond a take's speech."""
        per_frame = SAMPLE_RATE / self.config.fps
        length = round(self.config.frames * per_frame)
        out = np.zeros((len(draw.person), length), np.float32)
        rows = zip(draw.person, draw.target_scene, draw.target_start, strict=True)
        for row, (person, scene, start) in zip(out, rows, strict=True):
            first = round(start * per_frame)
            heard = self.data.audio[person, scene, first : first + length]
            row[: len(heard)] = heard
        return out

    def _target_latents(self, draw: Draw) -> Tensor:
        """(B, C, T, h, w); inside a take its first latent frame covers TIME frames like any."""
        early = TIME if draw.motion else 0
        window = (draw.target_start - early, self.config.frames + early)
        frames = self._windows(self.data.frames, draw.person, draw.target_scene, window)
        return self.codec.encode(to_signed(frames))[:, :, early // TIME :]

    def _fractions(self, boxes: np.ndarray, where: tuple) -> Tensor:
        height, width = self.config.height, self.config.width
        scale = torch.tensor([width, height, width, height], dtype=torch.float32)
        return torch.from_numpy(self._windows(boxes, *where)).float() / scale

    def _region_weights(self, target: tuple, weights: RegionWeights) -> Tensor:
        boxes, mouths = (self._fractions(b, target) for b in (self.data.boxes, self.data.mouths))
        return region_weights(boxes, mouths, self.config.latent_size, weights)
