"""What stands around the transformer: codec, text and speech encoders, and their folder."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from likeness.model.config import MOVEMENT_SIZE, GeneratorConfig, ModelError
from likeness.model.encoders.audio import LogMel
from likeness.model.encoders.codec import TinyCodec
from likeness.model.encoders.interfaces import Codec, SpeechEncoder
from likeness.model.encoders.movement import MovementScale
from likeness.model.encoders.text import PLACE as TEXT_PLACE
from likeness.model.encoders.text import TextEncoder
from likeness.model.encoders.wan_codec import WanCodec
from likeness.model.encoders.wav2vec2 import Wav2Vec2Speech

CODECS: dict[str, type[Codec]] = {"tiny": TinyCodec, "wan": WanCodec}
SPEECH: dict[str, type[SpeechEncoder]] = {"log_mel": LogMel, "wav2vec2": Wav2Vec2Speech}


@dataclass(frozen=True, kw_only=True)
class Components:
    """Codec, text encoder and speech encoder of a generator, and the scale of movement, if any."""

    codec: Codec
    text: TextEncoder
    speech: SpeechEncoder
    movement: MovementScale | None = None

    @classmethod
    def load(cls, folder: Path, config: GeneratorConfig) -> "Components":
        """Load from a checkpoint's folder those that its configuration names.

        Raises:
            ModelError: one is missing, damaged, or of other sizes than the transformer takes.

        """
        if missing := missing_parts(folder, config):
            raise ModelError(f"{folder} has no {', no '.join(missing)}: {advice(config.preset)}")
        codec, speech = CODECS[config.codec], SPEECH[config.speech]
        made = cls(
            codec=codec.load(folder / codec.place),
            text=TextEncoder.load(folder / TEXT_PLACE),
            speech=speech.load(folder / (speech.place or ".")),
            movement=MovementScale.load(folder / MovementScale.place) if config.moves else None,
        )
        sizes = [
            (codec.place, "in_channels", made.codec.channels),
            (TEXT_PLACE, "text_dim", made.text.model.config.d_model),
            (speech.place, "audio_dim", made.speech.width(config.fps)),
        ]
        if made.movement is not None:
            sizes.append((MovementScale.place, "movement_size", made.movement.size))
        for place, name, size in sizes:
            if size != (taken := config.transformer.get(name, MOVEMENT_SIZE)):
                raise ModelError(
                    f"{folder}: {place or config.speech} gives {size} numbers, the transformer's "
                    f"{name} is {taken}: bring the one that it was trained with"
                )
        return made

    def save(self, folder: Path) -> None:
        """Write each to its place in ``folder``."""
        self.codec.save(folder / self.codec.place)
        self.text.save(folder / TEXT_PLACE)
        if self.speech.place is not None:
            self.speech.save(folder / self.speech.place)
        if self.movement is not None:
            self.movement.save(folder / self.movement.place)


def checkpoint_folder(path: str | Path) -> Path:
    """Find the folder of a checkpoint, or of a preset that comes with the package by its name.

    Raises:
        ModelError: there is none.

    """
    folder = Path(path)
    if not folder.exists():
        folder = Path(__file__).parent.parent / "weights" / str(path)
    if not (folder / "config.json").is_file():
        raise ModelError(f"no generator checkpoint at {path}: config.json is not there")
    return folder


def read_config(folder: Path) -> GeneratorConfig:
    """Read the configuration of a checkpoint's folder."""
    return GeneratorConfig.from_dict(json.loads((folder / "config.json").read_text()))


def write_config(config: GeneratorConfig, folder: Path) -> None:
    """Write the configuration into a checkpoint's folder."""
    (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")


def missing_parts(folder: Path, config: GeneratorConfig) -> tuple[str, ...]:
    """Name the files and folders beside the transformer that a checkpoint's folder lacks."""
    places = (CODECS[config.codec].place, TEXT_PLACE, SPEECH[config.speech].place)
    return tuple(place for place in places if place and not (folder / place).exists())


def advice(preset: str) -> str:
    """Say which command brings what is missing."""
    return (
        f"`likeness weights import {preset} PIPELINE --wav2vec2 WAV2VEC2 --out NEW` makes a "
        "checkpoint with all parts from a Wan2.1 pipeline in diffusers' layout and a Wav2Vec2 "
        "folder"
    )


def weights_hash(states: Iterable[Mapping[str, Any]]) -> str:
    """Hash names and values of weights, in any type (hex)."""
    digest = hashlib.sha256()
    for state in states:
        for name, tensor in sorted(state.items()):
            digest.update(name.encode())
            raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            digest.update(raw.numpy().data)
    return digest.hexdigest()
