"""What a corpus is made with, and whether it fits a generator."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from likeness.model.components import Components, weights_hash
from likeness.model.config import GeneratorConfig
from likeness.model.encoders.codec import TIME
from likeness.model.encoders.interfaces import SpeechEncoder
from likeness.model.encoders.text import TextEncoder
from likeness.model.encoders.wav2vec2 import Wav2Vec2Speech
from likeness.model.generator import Generator
from likeness.rewards.sets import RewardSet, World
from likeness.store.atomic import write_bytes
from likeness.store.errors import LikenessError
from likeness.store.record import content_id

NAME = "corpus.json"
FORMAT = 1

Crop = Literal["frame", "head"]


class CorpusError(LikenessError):
    """A corpus that can't be made, can't be read, or doesn't hold what was asked for."""


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """How clips become windows.

    Attributes:
        frames: video frames of a window, 1 + 4k. 4 more before it are looked at, for motion
            latents.
        step: video frames from one window's beginning to the next, at most; they are spread
            evenly over a clip.
        crop: `frame` takes as much of the picture as the model's shape allows, `head` frames the
            head; one frame for a whole clip.
        world: whose face detector, recogniser and landmarks.
        shard: windows of a shard, at most.
        seen: share of a window's frames that must show the face.
        astray: share of them in which it may leave the frame.
        held_out: share of the people, by their names' hashes, whom no training sees: they are
            there to judge by.

    """

    frames: int
    step: int
    crop: Crop = "frame"
    world: World = "testbed"
    shard: int = 16
    seen: float = 0.8
    astray: float = 0.1
    held_out: float = 0.0

    def __post_init__(self) -> None:
        if self.frames < 1 + TIME or self.frames % TIME != 1:
            raise CorpusError(f"corpus.frames must be 1 + 4k and 5 or more, got {self.frames}")
        for name in ("step", "shard"):
            if getattr(self, name) < 1:
                raise CorpusError(f"corpus.{name} must be positive, got {getattr(self, name)}")

        if not 0 <= self.held_out < 1:
            raise CorpusError(f"corpus.held_out must be in 0..1 and below 1, got {self.held_out}")

    def told(self) -> dict[str, Any]:
        """Give what a description says; nothing of holding out where nobody is held out.

        Corpora that were made before there was such a thing are the same as those without.
        """
        values = asdict(self)
        return values if self.held_out else {k: v for k, v in values.items() if k != "held_out"}

    @property
    def least(self) -> int:
        """Video frames of the shortest clip that gives a window."""
        return self.frames + TIME


def window_frames(seconds: float | None, config: GeneratorConfig) -> int:
    """Count the frames of a window: the checkpoint's, or the most of 1 + 4k within the seconds.

    Raises:
        CorpusError: that are too few.

    """
    if seconds is None:
        return config.frames
    frames = int(seconds * config.fps + 1e-6)
    if frames < 1 + TIME:
        raise CorpusError(
            f"--window must be {(1 + TIME) / config.fps:g} s or more, got {seconds:g}"
        )
    return 1 + (frames - 1) // TIME * TIME


def encoders_of(config: GeneratorConfig, parts: Components) -> dict[str, Any]:
    """Describe what turns pixels, speech and prompts into numbers, as plain JSON values."""
    return {
        "codec": weights_hash([parts.codec.state_dict()]),
        "text": _text_hash(parts.text),
        "speech": _speech_hash(parts.speech, config),
        "height": config.height,
        "width": config.width,
        "fps": config.fps,
    }


def _text_hash(text: TextEncoder) -> str:
    weights = weights_hash([text.model.state_dict()])
    return content_id([weights, text.tokenizer.to_str(), text.length])


def _speech_hash(speech: SpeechEncoder, config: GeneratorConfig) -> str:
    if isinstance(speech, Wav2Vec2Speech):
        return content_id([weights_hash([speech.model.state_dict()]), asdict(speech.settings)])
    return config.speech


def judges_of(judges: RewardSet) -> dict[str, str | None]:
    """Name the weights that found faces, people and landmarks; None for those that are missing."""
    recogniser, landmarker = judges.recogniser, judges.landmarker
    return {
        "detector": judges.faces.detector.hash,
        "recogniser": None if recogniser is None else recogniser.hash,
        "landmarker": None if landmarker is None else landmarker.hash,
    }


def describe(
    config: GeneratorConfig, parts: Components, judges: RewardSet, settings: CorpusSettings
) -> dict[str, Any]:
    """Describe a corpus before it is made."""
    described = {
        "format": FORMAT,
        "checkpoint": config.to_dict(),
        "encoders": encoders_of(config, parts),
        "judges": judges_of(judges),
        "settings": settings.told(),
    }
    return json.loads(json.dumps(described))


def freeze(described: Mapping[str, Any], out: Path) -> None:
    """Write the description, or check that it is the one that is there.

    Raises:
        CorpusError: the folder holds a corpus that was made otherwise.

    """
    path = out / NAME
    if not path.exists():
        write_bytes(path, (json.dumps(described, indent=1, sort_keys=True) + "\n").encode())
        return
    if changed := _differences(read_description(out), described):
        raise CorpusError(
            f"{out} holds a corpus made otherwise: {'; '.join(changed)}. Give the same again to go "
            "on with it, or another --out"
        )


def read_description(folder: Path) -> dict[str, Any]:
    """Read what a corpus was made with.

    Raises:
        CorpusError: there is none, or of another format.

    """
    path = folder / NAME
    if not path.is_file():
        raise CorpusError(f"{folder} is no corpus: `likeness corpus make CLIPS --out` makes one")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CorpusError(f"{path} is damaged ({error}): make the corpus again") from error
    if described.get("format") != FORMAT:
        raise CorpusError(
            f"{path}: format {described.get('format')}, {FORMAT} expected: make the corpus again"
        )
    return described


def check_fits(described: Mapping[str, Any], generator: Generator, folder: Path) -> None:
    """Refuse a corpus that was encoded for another generator.

    Raises:
        CorpusError: codec, encoders or size are others.

    """
    parts = Components(codec=generator.codec, text=generator.text, speech=generator.speech)
    if changed := _differences(described["encoders"], encoders_of(generator.config, parts)):
        raise CorpusError(
            f"{folder} was made for another generator: {'; '.join(changed)}. Make it again with "
            "`likeness corpus make --checkpoint`, giving the checkpoint that is to be trained"
        )


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted(old.keys() | new.keys())
        return [
            line
            for name in names
            for line in _differences(old.get(name), new.get(name), f"{path}.{name}".lstrip("."))
        ]
    return [] if old == new else [f"{path} was {_short(old)} and is {_short(new)}"]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 24 else f"{text[:16]}..."
