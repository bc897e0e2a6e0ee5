"""How clips are made, the same for all rows of a table. Torch-free until it is resolved."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from likeness.store.errors import LikenessError

if TYPE_CHECKING:
    from likeness.model import Generator
    from likeness.model.placement import Placement
    from likeness.model.sampling.settings import SamplerSettings

Mark = Literal["none", "visible", "invisible"]
Crop = Literal["frame", "head"]
Precision = Literal["float32", "bfloat16"]
Offload = Literal["none", "group"]
Storage = Literal["none", "fp8", "torchao"]
World = Literal["testbed", "real"]
SamplerName = Literal["unipc", "euler", "flow_sde", "dance", "cps"]


class SettingError(LikenessError):
    """A setting out of its range."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """How clips are made.

    Attributes:
        checkpoint: a preset's name or a folder.
        adapter: of an aligned run, or None.
        sampler: None stands for the preset's, as in the next six.
        steps: of the sampler.
        audio_guidance, text_guidance, reference_guidance, movement_guidance: scales.
        reference_frames: looked at, 1 + 4k up to 48.
        seconds: of each clip; None for as long as its speech.
        anchor: let the first chunk of a long clip fix the looks of the others.
        crop: `frame` keeps as much of the reference's picture as the model's shape allows, `head`
            frames the head as the testbed does.
        whole_frame: keep all of a reference in which no face is found, instead of refusing it.
        rewards: whose face detector looks.
        mark: `visible` a badge, `invisible` a watermark.
        provenance: put a signed C2PA manifest into the file.
        one_by_one: run the guidance branches one after the other, in less memory.
        dtype, offload, storage, compile, attention_backend: see `likeness.model.placement`; no
            dtype stands for what suits the device.

    """

    checkpoint: str = "tiny"
    adapter: Path | None = None
    sampler: SamplerName | None = None
    steps: int | None = None
    audio_guidance: float | None = None
    text_guidance: float | None = None
    reference_guidance: float | None = None
    movement_guidance: float | None = None
    reference_frames: int | None = None
    seconds: float | None = None
    anchor: bool = True
    crop: Crop = "frame"
    whole_frame: bool = False
    rewards: World = "testbed"
    mark: Mark = "invisible"
    provenance: bool = True
    one_by_one: bool = False
    dtype: Precision | None = None
    offload: Offload = "none"
    storage: Storage = "none"
    compile: bool = False
    attention_backend: str | None = None

    def __post_init__(self) -> None:
        if self.reference_frames is not None:
            _check_reference_frames(self.reference_frames)

    def looked_at(self, generator: "Generator") -> int:
        """Frames of the reference that are looked at."""
        return self.reference_frames or generator.config.reference_frames

    def sampling(self, generator: "Generator") -> "SamplerSettings":
        """Put what was asked for in the place of the preset's."""
        preset = generator.sampler_settings
        scales = {
            "audio": self.audio_guidance,
            "text": self.text_guidance,
            "reference": self.reference_guidance,
            "movement": self.movement_guidance,
        }
        given = {name: scale for name, scale in scales.items() if scale is not None}
        return replace(
            preset,
            sampler=self.sampler or preset.sampler,
            steps=self.steps or preset.steps,
            guidance=replace(preset.guidance, **given),
            one_by_one=self.one_by_one,
        )

    def placement(self, device: str) -> "Placement":
        """Say how the transformer runs on a device."""
        from likeness.model.placement import placement_options

        return placement_options(
            device=device,
            dtype=self.dtype,
            offload=self.offload,
            storage=self.storage,
            compile=self.compile,
            attention_backend=self.attention_backend,
        )

    def facts(self, generator: "Generator") -> dict[str, Any]:
        """Tell all that a clip depends on besides its condition, seed and weights."""
        settings = self.sampling(generator)
        return {
            "sampler": settings.sampler,
            "steps": settings.steps,
            "shift": settings.shift,
            "guidance": asdict(settings.guidance),
            "reference_frames": self.looked_at(generator),
            "seconds": self.seconds,
            "anchor": self.anchor,
            "crop": self.crop,
            "whole_frame": self.whole_frame,
            "face_detector": self.rewards,
            "mark": self.mark,
            "manifest": self.provenance,
        }


def _check_reference_frames(count: int) -> None:
    from likeness.model.config import MOST_REFERENCE_FRAMES as MOST

    if count < 1:
        raise SettingError(
            f"--reference-frames must be 1 to {MOST}, got {count}: without any there is no person "
            "to show"
        )
    if count > MOST:
        raise SettingError(
            f"--reference-frames must be 1 to {MOST}, got {count}: no model has seen more; "
            f"the most of the form 1 + 4k is {1 + (MOST - 1) // 4 * 4}"
        )
    if count % 4 != 1:
        nearest = min(1 + 4 * round((count - 1) / 4), 1 + (MOST - 1) // 4 * 4)
        raise SettingError(
            f"--reference-frames must be 1 + 4k, as frames go into latents by fours, got {count}; "
            f"the nearest is {nearest}"
        )
