"""Making a long clip: each chunk from the last latents of the one before it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from likeness.model.conditioning import Conditioning, Request, anchored
from likeness.model.config import ModelError
from likeness.model.encoders.encoding import finite, to_pixels
from likeness.model.generator import Generator
from likeness.model.long_video.anchor import Anchor, FrameCheck, choose_anchor
from likeness.model.long_video.plan import Chunk, plan_chunks
from likeness.model.sampling.joint import sample_clip
from likeness.model.sampling.settings import SamplerSettings
from likeness.store.atomic import replacing
from likeness.store.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class LongVideoSettings:
    """How a long clip is made.

    Attributes:
        frames: video frames of the clip.
        seed: of the first chunk's noise; each further chunk's comes from it and its number.
        sampler: of every chunk.
        anchor: whether the chunks after the first see the anchor in place of the background.
        reference_frames: of the reference that are looked at; the checkpoint's by default.

    """

    frames: int
    seed: int
    sampler: SamplerSettings
    anchor: bool = True
    reference_frames: int | None = None


class LongVideo:
    """A clip longer than the generator's window, made chunk by chunk in a folder.

    Stopped at any moment and begun again with the same arguments it goes on after its last whole
    chunk. Nothing of the clip is held in memory but a chunk's latents.

    Args:
        generator: makes the chunks.
        request: whose speech may be of any length; beyond its end lies silence.
        settings: of the clip.
        folder: takes the latents of each chunk.
        check: refuses frames as the anchor, such as mid-blink ones.

    Raises:
        ModelError: the folder holds another clip.

    """

    def __init__(
        self,
        generator: Generator,
        request: Request,
        settings: LongVideoSettings,
        *,
        folder: Path,
        check: FrameCheck | None = None,
    ) -> None:
        config = generator.config
        self.generator = generator
        self.settings = settings
        self.folder = folder
        self.check = check
        window = config.chunk_frames or config.frames
        self.chunks = plan_chunks(settings.frames, window, config.motion_latents)
        self.cond = generator.condition(
            [request],
            frames=self.chunks[-1].speech.stop,
            reference_frames=settings.reference_frames,
        )
        folder.mkdir(parents=True, exist_ok=True)
        self._claim()

    def make(self, progress: Progress = silent) -> None:
        """Generate the chunks that are not there yet."""
        reference = None
        for chunk in self.chunks:
            progress(chunk.number, len(self.chunks), f"chunk {chunk.number + 1}")
            if self._whole(chunk):
                continue
            reference = reference or self.generator.encode_reference(self.cond)
            cond = self._part(chunk)
            if chunk.motion and self.settings.anchor:
                cond = anchored(cond, self._anchor[1])
            latents = sample_clip(
                self.generator,
                cond,
                seeds=[self._seed(chunk)],
                settings=self.settings.sampler,
                shared=reference,
            )
            with replacing(self._path(chunk)) as partial:
                save_file({"latents": finite(latents).cpu().contiguous()}, partial)
        progress(len(self.chunks), len(self.chunks), "made")

    def frames(self) -> Iterator[np.ndarray]:
        """Decode what :meth:`make` made: blocks (T, H, W, 3) uint8, ``settings.frames`` in all.

        Raises:
            ModelError: latents are NaN or infinite.

        """
        left = self.settings.frames
        for video in self.generator.stream(self._latents(c) for c in self.chunks):
            block = video[0, :left]
            left -= len(block)
            if len(block):
                yield block

    @property
    def seams(self) -> list[int]:
        """Numbers of the video frames with which the chunks after the first begin."""
        return [4 * (c.first_new - 1) + 1 for c in self.chunks[1:]]

    def anchor(self) -> Anchor | None:
        """Return which frame is the anchor; None without one, or where one chunk is enough."""
        if not self.settings.anchor or len(self.chunks) == 1:
            return None
        return self._anchor[0]

    @cached_property
    def _anchor(self) -> tuple[Anchor, Tensor]:
        """Which frame of the first chunk it is, and its latents."""
        video = self.generator.codec.decode(self._latents(self.chunks[0])).clamp(-1, 1)
        anchor = choose_anchor(to_pixels(video[0]), self.check)
        latent = self.generator.codec.encode(video[:, anchor.frame : anchor.frame + 1])
        return anchor, latent.to(self.cond.background.device)

    def _part(self, chunk: Chunk) -> Conditioning:
        """Give the chunk its stretch of speech and the latents it goes on from."""
        motion = None
        if chunk.motion:
            before = self._latents(self.chunks[chunk.number - 1])
            motion = before[:, :, -chunk.motion :].to(self.cond.audio.device)
        movement = self.cond.movement
        if movement is not None:
            movement = movement[:, chunk.first_new : chunk.start + chunk.length]
        speech = self.cond.audio[:, chunk.speech]
        return replace(self.cond, audio=speech, motion=motion, movement=movement)

    def _seed(self, chunk: Chunk) -> int:
        if not chunk.number:
            return self.settings.seed
        state = np.random.SeedSequence([self.settings.seed, chunk.number]).generate_state(1)
        return int(state[0])

    def _path(self, chunk: Chunk) -> Path:
        return self.folder / f"chunk-{chunk.number:05d}.safetensors"

    def _whole(self, chunk: Chunk) -> bool:
        return self._path(chunk).is_file()

    def _latents(self, chunk: Chunk) -> Tensor:
        path = self._path(chunk)
        try:
            return load_file(path)["latents"]
        except (OSError, SafetensorError, KeyError) as error:
            raise ModelError(f"{path} is damaged: remove it and run again") from error

    def _claim(self) -> None:
        """Write what the folder's chunks are made of, or see that they are of the same."""
        digest = hashlib.sha256(self.generator.hash.encode())
        for name in (f.name for f in fields(self.cond)):
            tensor = getattr(self.cond, name)
            if tensor is not None:
                digest.update(name.encode())
                digest.update(tensor.contiguous().cpu().numpy().tobytes())
        settings = json.loads(json.dumps(asdict(self.settings)))
        mine = {"made_of": digest.hexdigest(), "settings": settings}
        path = self.folder / "clip.json"
        if not path.exists():
            with replacing(path) as partial:
                partial.write_text(json.dumps(mine, indent=2) + "\n")
        elif json.loads(path.read_text()) != mine:
            raise ModelError(
                f"{self.folder} holds the chunks of another clip (other condition, checkpoint, "
                "seed or sampler): remove it, or give another folder"
            )
