"""The generator: codec, text encoder and transformer behind one door."""

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from likeness.model.adapters import Adapted
from likeness.model.components import (
    Components,
    checkpoint_folder,
    read_config,
    weights_hash,
    write_config,
)
from likeness.model.conditioning import Conditioning, Request
from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.encoders.audio import LogMel
from likeness.model.encoders.codec import CodecConfig, TinyCodec
from likeness.model.encoders.encoding import encode_requests, finite, to_pixels, to_signed
from likeness.model.encoders.following import with_movement
from likeness.model.encoders.interfaces import Codec, SpeechEncoder
from likeness.model.encoders.movement import MovementScale
from likeness.model.encoders.text import TextEncoder
from likeness.model.joint import Joined
from likeness.model.network.transformer import AvatarTransformer3DModel, ReferenceCache
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import Time, Velocity, seeded_noise, shifted_times
from likeness.model.sampling.stochastic import StochasticSampler, Trajectory, rollout
from likeness.model.weights.loading import save_transformer, transformer_of
from likeness.store.progress import Progress, silent

Field = Callable[..., Tensor]  # (z_t, t (B,), cond, shared=) -> velocity


class Generator(Adapted, Joined):
    """Makes clips of a person from a reference video.

    Latents are (B, C, T, h, w) float32; the flow is z_t = (1 - t) z_0 + t * noise with velocity
    noise - z_0 (TAVR, section 3.2).
    """

    def __init__(
        self,
        config: GeneratorConfig,
        transformer: AvatarTransformer3DModel,
        codec: Codec,
        text: TextEncoder,
        speech: SpeechEncoder | None = None,
        movement: MovementScale | None = None,
    ) -> None:
        self.config = config
        self.transformer = transformer
        self.codec = codec
        self.text = text
        self.speech: SpeechEncoder = LogMel() if speech is None else speech
        self.movement = movement

    @classmethod
    def draw(
        cls,
        config: GeneratorConfig,
        *,
        vocabulary: list[str],
        seed: int,
        codec: TinyCodec | None = None,
    ) -> "Generator":
        """Make a generator with weights drawn from ``seed``; the codec may be a fitted one."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = AvatarTransformer3DModel(**config.transformer)
            codec = codec or TinyCodec(CodecConfig(channels=config.transformer["in_channels"]))
        text = TextEncoder.draw(
            vocabulary, dim=config.transformer["text_dim"], length=config.text_length, seed=seed
        )
        return cls(config, transformer.eval(), codec.eval().requires_grad_(False), text)

    @classmethod
    def load(cls, path: str | Path = "tiny") -> "Generator":
        """Load a checkpoint folder, or a preset that comes with the package by its name."""
        folder = checkpoint_folder(path)
        config = read_config(folder)
        parts = Components.load(folder, config)
        transformer = transformer_of(folder, config)
        return cls(config, transformer, parts.codec, parts.text, parts.speech, parts.movement)

    def save(self, folder: Path) -> None:
        """Write the checkpoint into ``folder``; one with adapters is refused.

        A transformer in single precision is written in half, one in other types as it is.
        """
        if getattr(self.transformer, "peft_config", None):
            raise ModelError("a checkpoint is saved without adapters; keep those by lora_state()")
        if self.config.moves and self.movement is None:
            raise ModelError("the movement stream has no scale: fit one (MovementScale.fit) first")
        folder.mkdir(parents=True, exist_ok=True)
        save_transformer(self.transformer, folder)
        write_config(self.config, folder)
        Components(
            codec=self.codec, text=self.text, speech=self.speech, movement=self.movement
        ).save(folder)

    def with_transformer(self, transformer: AvatarTransformer3DModel) -> "Generator":
        """Give the same generator another transformer, as it is; all else is shared."""
        other = copy(self)
        other.transformer = transformer
        return other

    @property
    def hash(self) -> str:
        """Hash of all weights, adapters included (hex)."""
        return weights_hash([self.transformer.state_dict(), self.codec.state_dict()])

    @property
    def sampler_settings(self) -> SamplerSettings:
        """The preset's sampler under its guidance."""
        return SamplerSettings.of(self.config)

    @property
    def latent_shape(self) -> tuple[int, int, int, int]:
        """(C, T, h, w) of a clip."""
        return self.codec.channels, self.config.latent_frames, *self.config.latent_size

    def condition(
        self,
        requests: list[Request],
        *,
        reference_frames: int | None = None,
        face_share: float | None = None,
        frames: int | None = None,
    ) -> Conditioning:
        """Encode requests into one batch.

        Args:
            requests: of one batch.
            reference_frames: of each reference that are looked at, 1 + 4k.
            face_share: a token of these is kept when the face box covers more of it.
            frames: of the clip that the speech is for, 1 + 4k.
                All three are the checkpoint's by default.

        """
        asked = {"reference_frames": reference_frames, "face_share": face_share, "frames": frames}
        changes: dict[str, Any] = {k: v for k, v in asked.items() if v is not None}
        config = replace(self.config, **changes)
        cond = encode_requests(requests, config, self.codec, self.text, self.speech)
        cond = with_movement(cond, requests, self.movement)
        return cond.to(self.transformer.device)

    def velocity(
        self, z_t: Tensor, t: Tensor, cond: Conditioning, *, shared: ReferenceCache | None = None
    ) -> Tensor:
        """Velocity at z_t (B, C, T, h, w) and t (B,) in 0..1; differentiable.

        Movement in the conditions is followed. ``shared`` is what :meth:`encode_reference` gave for
        the same conditions and weights.
        """
        return self.predict(z_t, t, cond, shared=shared)[0]

    def guided_velocity(
        self,
        cond: Conditioning,
        settings: SamplerSettings,
        *,
        each: int = 1,
        shared: ReferenceCache | None = None,
        field: Field | None = None,
    ) -> Velocity:
        """Velocity under guidance as a function of z_t and t, as samplers call it; differentiable.

        The reference is encoded here, once for ``each`` rows a condition: ask again when the
        weights have changed. ``field`` is what is guided: :meth:`velocity` by default.
        """
        field = field or self.velocity
        guidance = settings.guidance
        if cond.movement is None:
            guidance = replace(guidance, movement=1.0)
        cache = self.encode_reference(cond) if shared is None else shared
        cache, cond = cache.each(each), cond.each(each)
        names = guidance.branches
        batches = []
        for group in [(name,) for name in names] if settings.one_by_one else [names]:
            seen = [name != "no_reference" for name in group]
            one = cache if seen == [True] else cache.repeat(seen)  # one alone needs no copy
            batches.append((group, Conditioning.stack([cond.branch(n) for n in group]), one))

        def velocity(z: Tensor, t: Time) -> Tensor:
            found: dict[str, Tensor] = {}
            times = torch.as_tensor(t, dtype=z.dtype, device=z.device).expand(len(z))
            for group, batch, one in batches:
                rows = z.repeat(len(group), *[1] * (z.dim() - 1))
                v = field(rows, times.repeat(len(group)), batch, shared=one)
                found.update(zip(group, v.chunk(len(group)), strict=True))
            return guidance.combine(found)

        return velocity

    @torch.no_grad()
    def sample(
        self,
        cond: Conditioning,
        *,
        seeds: list[int],
        settings: SamplerSettings | None = None,
        shared: ReferenceCache | None = None,
        progress: Progress = silent,
    ) -> Tensor:
        """Generate latents (B, C, T, h, w), a seed a row; settings default to the preset's.

        Several seeds a condition make samples of one condition beside each other, a GRPO group.
        ``shared`` is what :meth:`encode_reference` gave for ``cond``, if it is there already.
        """
        settings = settings or self.sampler_settings
        method = settings.method
        if isinstance(method, StochasticSampler):
            made = self.rollout(
                cond, seeds=seeds, settings=settings, shared=shared, progress=progress
            )
            return made.latents[-1]
        noise = self.noise(cond, seeds)
        each = len(seeds) // len(cond)
        velocity = self.guided_velocity(cond, settings, each=each, shared=shared)
        return method(
            velocity, noise, steps=settings.steps, shift=settings.shift, progress=progress
        )

    @torch.no_grad()
    def rollout(
        self,
        cond: Conditioning,
        *,
        seeds: list[int],
        settings: SamplerSettings,
        step_seeds: list[int] | None = None,
        shared: ReferenceCache | None = None,
        progress: Progress = silent,
    ) -> Trajectory:
        """Generate with a stochastic sampler and keep each step with its log-probability.

        Args:
            cond: a row each, or a row for a group of rows beside each other.
            seeds: of the noise each row starts from; equal ones share it, as a GRPO group may.
            settings: whose sampler must be a stochastic one.
            step_seeds: of the noise of each row's stochastic steps; ``seeds`` by default.
            shared: what :meth:`encode_reference` gave for ``cond``, if it is there already.
            progress: is told of each step.

        """
        method = settings.method
        if not isinstance(method, StochasticSampler):
            raise ModelError(f"a rollout needs a stochastic sampler, got {settings.sampler!r}")
        noise = self.noise(cond, seeds)
        return rollout(
            self.guided_velocity(cond, settings, each=len(seeds) // len(cond), shared=shared),
            noise,
            method,
            times=shifted_times(settings.steps, settings.shift),
            seeds=seeds if step_seeds is None else step_seeds,
            progress=progress,
        )

    def noise(self, cond: Conditioning, seeds: list[int]) -> Tensor:
        """Draw what the latents of these conditions start from, one or more seeds a condition."""
        if not seeds or len(seeds) % len(cond):
            raise ModelError(
                f"{len(cond)} conditions need as many seeds or a multiple, got {len(seeds)}"
            )
        channels, _, height, width = self.latent_shape
        shape = (channels, cond.new_frames, height, width)
        return seeded_noise(shape, seeds).to(cond.text.device)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        """Latents to frames (B, T, H, W, 3) uint8. NaN latents are an error."""
        # A few clips at a time stay in the processor's cache.
        parts = finite(latents).split(2)
        return np.concatenate([to_pixels(self.codec.decode(part)) for part in parts])

    def stream(self, parts: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """Decode latents (B, C, t, h, w) that come in parts along time, of a clip of any length.

        Yields runs of frames (B, n, H, W, 3) uint8 as soon as they are known; joined they are those
        of :meth:`decode`. Memory is that of a few latent frames.
        """
        for video in self.codec.stream(finite(part) for part in parts):
            yield to_pixels(video)

    @torch.no_grad()
    def encode(self, frames: np.ndarray) -> Tensor:
        """Frames (B, T, H, W, 3) uint8 to latents."""
        return self.codec.encode(to_signed(frames))
