"""Generate samples of conditions and keep them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch

from likeness.model import Conditioning, Generator, Request
from likeness.model.sampling.settings import SamplerSettings
from likeness.rewards.faces import FaceFinder
from likeness.store.clip import Clip
from likeness.store.progress import Progress, silent
from likeness.store.records import ClipEntry, Condition, Sample
from likeness.store.workspace import Workspace

BATCH = 24


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How samples are drawn, and which part of the condition is withheld.

    Attributes:
        steps: of the sampler; None stands for the preset's, as in the next two.
        audio_guidance: 1 for none.
        reference_guidance: 1 for none.
        reference: whether the generator sees the reference's frames.
        reference_audio: whether it hears the reference's sound.
        reference_frames: of the reference that it sees, 1 + 4k; None for the preset's number.
        selection: which tokens of the reference it sees: all that the face box touches, or those
            of the whole frame; None for the preset's selection.

    """

    steps: int | None = None
    audio_guidance: float | None = None
    reference_guidance: float | None = None
    reference: bool = True
    reference_audio: bool = True
    reference_frames: int | None = None
    selection: Literal["touched", "frame"] | None = None

    def settings(self, preset: SamplerSettings) -> SamplerSettings:
        """Put what is asked for in the place of the preset's."""
        scales = {"audio": self.audio_guidance, "reference": self.reference_guidance}
        given = {name: scale for name, scale in scales.items() if scale is not None}
        return replace(
            preset,
            steps=self.steps or preset.steps,
            guidance=replace(preset.guidance, **given),
        )

    def facts(self, preset: SamplerSettings) -> dict[str, Any]:
        """Tell all that a sample depends on here, as it keeps it."""
        settings = self.settings(preset)
        return {
            "sampler": str(settings.sampler),
            "steps": settings.steps,
            "shift": settings.shift,
            **{
                f"{name}_guidance": scale
                for name, scale in asdict(settings.guidance).items()
                if name != "movement"  # which none of these follows
            },
            "reference": self.reference,
            "reference_audio": self.reference_audio,
            **{
                name: value
                for name in ("reference_frames", "selection")
                if (value := getattr(self, name)) is not None
            },
        }


@dataclass(frozen=True, kw_only=True)
class Order:
    """One sample to make."""

    condition: Condition
    seed: int


class Studio:
    """A checkpoint at work in a workspace.

    Args:
        workspace: has the conditions' clips and takes the samples.
        generator: the checkpoint.
        checkpoint: its id in the workspace.
        faces: finds the face boxes of references.

    """

    def __init__(
        self, workspace: Workspace, generator: Generator, checkpoint: str, faces: FaceFinder
    ) -> None:
        self.workspace = workspace
        self.generator = generator
        self.checkpoint = checkpoint
        self.faces = faces

    def conditioning(
        self, conditions: Sequence[Condition], sampler: Sampler | None = None
    ) -> Conditioning:
        """Encode conditions into one batch, as much of them as the sampler lets be seen."""
        sampler = sampler or Sampler()
        cond = self.generator.condition(
            [self.request(c) for c in conditions],
            reference_frames=sampler.reference_frames,
            face_share=0.0 if sampler.selection == "touched" else None,
        )
        if sampler.selection == "frame":
            cond = replace(cond, reference_keep=torch.ones_like(cond.reference_keep))
        withheld = {"reference": sampler.reference, "reference_audio": sampler.reference_audio}
        return cond.without(**{k: cond.all_rows() for k, kept in withheld.items() if not kept})

    def facts(self, sampler: Sampler) -> dict[str, Any]:
        """Tell how this checkpoint draws samples."""
        return sampler.facts(self.generator.sampler_settings)

    def request(self, condition: Condition) -> Request:
        """Read a condition's clips."""
        reference = self.workspace.get_clip(condition.references[0])
        background, hidden = self.workspace.get_background(condition.background)
        return Request(
            driving=self.workspace.get_clip(condition.driving).audio,
            reference=reference,
            reference_boxes=self.faces.tracks([reference])[0].boxes,
            background=background,
            hidden=hidden,
            prompt=condition.prompt,
        )

    def make(
        self, orders: Sequence[Order], sampler: Sampler, progress: Progress = silent
    ) -> list[Sample]:
        """Make the samples that aren't there yet; returns all, in the order of the orders."""
        made = {
            s.id: s
            for condition in {o.condition.id for o in orders}
            for s in self.workspace.samples(condition=condition, checkpoint=self.checkpoint)
        }
        missing = [o for o in orders if self._id(o, sampler) not in made]
        done = len(orders) - len(missing)
        progress(done, len(orders), "generating")
        for start in range(0, len(missing), BATCH):
            for sample in self._batch(missing[start : start + BATCH], sampler):
                made[sample.id] = sample
            done += len(missing[start : start + BATCH])
            progress(done, len(orders), "generating")
        return [made[self._id(o, sampler)] for o in orders]

    def _id(self, order: Order, sampler: Sampler) -> str:
        return Sample.id_of(
            condition=order.condition.id,
            checkpoint=self.checkpoint,
            seed=order.seed,
            sampler=self.facts(sampler),
        )

    def _batch(self, orders: Sequence[Order], sampler: Sampler) -> list[Sample]:
        distinct = {o.condition.id: o.condition for o in orders}
        places = {name: place for place, name in enumerate(distinct)}
        encoded = self.conditioning(list(distinct.values()), sampler)
        latents = self.generator.sample(
            encoded[torch.tensor([places[o.condition.id] for o in orders])],
            seeds=[o.seed for o in orders],
            settings=sampler.settings(self.generator.sampler_settings),
        )
        frames = self.generator.decode(latents)
        samples = []
        for order, video, latent in zip(orders, frames, latents, strict=True):
            name = self.workspace.put_clip(self.clip(order.condition, video))
            sample = Sample(
                clip=name,
                condition=order.condition.id,
                checkpoint=self.checkpoint,
                seed=order.seed,
                sampler=self.facts(sampler),
                latents=self.workspace.put_array(latent.numpy(), clip=name),
            )
            self.workspace.add(sample)
            samples.append(sample)
        return samples

    def clip(self, condition: Condition, video: Any) -> Clip:
        """Put a condition's speech under generated frames (T, H, W, 3) uint8."""
        driving = self.workspace.get_clip(condition.driving)
        person = self.workspace.get(ClipEntry, condition.references[0])
        scene = self.workspace.get(ClipEntry, condition.driving).scene
        length = round(len(video) / self.generator.config.fps * driving.sample_rate)
        return Clip(
            frames=video,
            fps=self.generator.config.fps,
            audio=driving.audio[:length],
            sample_rate=driving.sample_rate,
            identity=person.identity,
            scene=scene,
            origin="generated",
        )
