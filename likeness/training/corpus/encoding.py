"""Windows of a take to the tensors of a shard."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from likeness.model.components import Components, checkpoint_folder, read_config
from likeness.model.config import GeneratorConfig
from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.encoding import encode_background, to_signed
from likeness.rewards.faces import FaceTrack
from likeness.rewards.framing import mouth_boxes
from likeness.rewards.identity import portrait_of
from likeness.rewards.movement import COEFFICIENTS, coefficients, measure
from likeness.rewards.sets import RewardSet, World
from likeness.store.clip import Clip
from likeness.training.corpus.footage import Footage, Take
from likeness.training.corpus.settings import CorpusError

_SAME = 1e-6  # by how much latents may differ and count as the same

Tensors = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoders:
    """What is computed once of every window.

    Attributes:
        config: of the checkpoint.
        parts: its codec, text and speech encoders.
        judges: find people and landmarks; either may be missing.
        device: that codec and text encoder are on.

    """

    config: GeneratorConfig
    parts: Components
    judges: RewardSet
    device: str = "cpu"

    @classmethod
    def load(cls, checkpoint: str, world: World, device: str = "cpu") -> "Encoders":
        """Load a checkpoint's, but for its transformer, and a world's judges.

        Args:
            checkpoint: folder, or name of a preset.
            world: of the judges.
            device: of codec and text encoder; the rest works on the processor.

        Raises:
            CorpusError: there is no such device.
            ModelError: the checkpoint lacks a part.
            WeightsError: the face detector's weights are missing.

        """
        folder: Path = checkpoint_folder(checkpoint)
        config = read_config(folder)
        parts = Components.load(folder, config)
        _place(parts, device)
        return cls(config=config, parts=parts, judges=RewardSet.load(world), device=device)

    def hear(self, footage: Footage) -> np.ndarray:
        """Encode a whole clip's sound, (frames, D): each window hears what is around it."""
        return self.parts.speech(footage.audio, len(footage), footage.fps)

    @torch.no_grad()
    def shared(self, take: Take, prompt: str) -> Tensors:
        """Encode what the windows of a take have in common.

        Returns:
            text (L, D) up to the prompt's end, background (C, 1, h, w), hidden (H, W) bool.

        """
        hidden = torch.from_numpy(take.hidden)[None].to(self.device)
        plate = to_signed(take.plate[None]).to(self.device)
        text = self.parts.text([prompt], cut=True)[0].cpu()
        told = text.abs().amax(1).nonzero()
        return {
            "text": text[: int(told.max()) + 1 if len(told) else 0].contiguous(),
            "background": encode_background(self.parts.codec, plate, hidden)[0].cpu(),
            "hidden": hidden[0].cpu(),
        }

    def windows(
        self, take: Take, footage: Footage, heard: np.ndarray, starts: Sequence[int], frames: int
    ) -> Tensors:
        """Encode the windows of a take that begin at ``starts``, N of them.

        Returns:
            latents (N, C, T, h, w); continued (N, C, m, h, w): the first m of them as they are when
            4 frames more are before the window, the others don't differ; speech (N, F, D), audio
            (N, samples), boxes (N, F, 4), mouths (N, F, 4) and five (N, F, 5, 2) in shares of width
            and height, portrait (N, D); the last where there is a judge.

        """
        rows = [self._window(take, footage, heard, start, frames) for start in starts]
        differing = max(row.pop("differing") for row in rows)
        for row in rows:
            row["continued"] = row["continued"][:, :differing]
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    def _window(
        self, take: Take, footage: Footage, heard: np.ndarray, start: int, frames: int
    ) -> dict:
        clip_at = take.start + start
        first = round(clip_at / footage.fps * SAMPLE_RATE)
        audio = footage.audio[first : first + round(frames / footage.fps * SAMPLE_RATE)]
        face = take.track.window(start, frames)
        clip = Clip(
            frames=take.frames[start : start + frames],
            fps=footage.fps,
            audio=audio,
            sample_rate=SAMPLE_RATE,
        )
        return {
            **self._latents(take.frames[start - TIME : start + frames]),
            **self._marks(take.track, start, frames),
            **self._judged(clip, face),
            "speech": torch.from_numpy(heard[clip_at : clip_at + frames]),
            "audio": torch.from_numpy(audio),
        }

    @torch.no_grad()
    def _latents(self, frames: np.ndarray) -> dict:
        video = to_signed(frames)[None].to(self.device)
        continued = self.parts.codec.encode(video)[0, :, 1:].cpu()
        plain = self.parts.codec.encode(video[:, TIME:])[0].cpu()
        apart = ((continued - plain).abs().amax((0, 2, 3)) > _SAME).nonzero()
        differing = int(apart.max()) + 1 if len(apart) else 0
        return {"latents": plain, "continued": continued, "differing": differing}

    def _marks(self, track: FaceTrack, start: int, frames: int) -> Tensors:
        size = np.array([self.config.width, self.config.height], np.float32)
        cut = slice(start, start + frames)
        marks = {
            "boxes": track.boxes[cut] / np.tile(size, 2),
            "mouths": mouth_boxes(track)[cut] / np.tile(size, 2),
            "five": track.five[cut] / size,
        }
        return {name: torch.from_numpy(mark.astype(np.float32)) for name, mark in marks.items()}

    def _judged(self, clip: Clip, face: FaceTrack) -> Tensors:
        if (recogniser := self.judges.recogniser) is None:
            return {}
        portrait = portrait_of(clip.frames, face.five, recogniser)
        return {"portrait": torch.from_numpy(portrait.astype(np.float32))}

    def movement(self, take: Take, footage: Footage) -> np.ndarray | None:
        """(T, 7) coefficients of a whole take, whose medians are the rest they are told from.

        None without landmarks.
        """
        landmarker, frames = self.judges.landmarker, len(take.frames)
        if landmarker is None:
            return None
        first, last = (
            round(at / footage.fps * SAMPLE_RATE) for at in (take.start, take.start + frames)
        )
        clip = Clip(
            frames=take.frames,
            fps=footage.fps,
            audio=footage.audio[first:last],
            sample_rate=SAMPLE_RATE,
        )
        points = landmarker.find(take.frames, take.track)
        if not np.isfinite(points).all((1, 2)).any():
            return np.full((frames, len(COEFFICIENTS)), np.nan, np.float32)
        return coefficients(measure(points, landmarker.layout, clip))


def _place(parts: Components, device: str) -> None:
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise CorpusError(
            f"--device {device}: there is no such device on this machine; leave it out"
        )
    if isinstance(parts.codec, nn.Module):
        parts.codec.to(device)
    cast(nn.Module, parts.text.model).to(device)
