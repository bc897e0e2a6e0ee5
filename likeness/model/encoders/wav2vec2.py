"""Speech heard by Wav2Vec 2.0, as TAVR hears it, at the video's frame rate."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from transformers import Wav2Vec2Model

from likeness.model.config import ModelError
from likeness.model.encoders.audio import SAMPLE_RATE
from likeness.model.weights.loading import load_module
from likeness.model.weights.published import read_json, speech_encoder, speech_names
from likeness.model.weights.saving import refreshing, save_quietly

SETTINGS = "settings.json"


@dataclass(frozen=True, kw_only=True)
class HearingSettings:
    """How Wav2Vec 2.0 is listened to; TAVR says none of it.

    Attributes:
        layers: whose hidden states are averaged, as indices of ``hidden_states``: 0 is what goes
            into the first layer, -1 what the model gives. That is the default, as most models that
            hear a single layer take it; for a mean of the last four give (-4, -3, -2, -1).
        normalise: whether speech is brought to mean 0 and variance 1 first, as the published
            preprocessor of a checkpoint says.
        window: seconds that are listened to at once; longer speech goes in windows, so that memory
            does not grow with it.
        margin: seconds at both ends of a window that are heard and not kept.

    """

    layers: tuple[int, ...] = (-1,)
    normalise: bool = True
    window: float = 20.0
    margin: float = 2.0

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError("speech.layers must name a layer at least")
        if not 0 <= 2 * self.margin < self.window:
            raise ModelError(
                f"speech.window must be longer than both its margins, got {self.window:g} s with "
                f"margins of {self.margin:g} s"
            )


class Wav2Vec2Speech:
    """Rows of a Wav2Vec2 model's hidden states, interpolated to video frames.

    Hidden state i has its middle at sample ``i * stride + field / 2`` (320 and 400 samples: 50 a
    second); a video frame's row is what lies at the frame's middle.
    """

    place: ClassVar[str | None] = "speech"

    def __init__(self, model: Wav2Vec2Model, settings: HearingSettings) -> None:
        self.model = model.eval().requires_grad_(False)
        self.settings = settings
        depth = model.config.num_hidden_layers + 1
        for layer in settings.layers:
            if not -depth <= layer < depth:
                raise ModelError(f"speech.layers has {layer}; there are {depth} hidden states")
        self.stride, self.field = 1, 1
        steps = zip(model.config.conv_kernel, model.config.conv_stride, strict=True)
        for kernel, stride in steps:
            self.field += (kernel - 1) * self.stride
            self.stride *= stride

    def width(self, fps: float) -> int:
        """Numbers of a row: those of a hidden state, whatever the rate."""
        return int(self.model.config.hidden_size)

    def __call__(self, audio: np.ndarray, frames: int, fps: float) -> np.ndarray:
        """Speech (samples,) float32 at 16 kHz to (frames, width) float32, a row a video frame.

        Beyond its end lies silence; what goes beyond the frames is cut.
        """
        sound = np.asarray(audio[: round(frames / fps * SAMPLE_RATE)], np.float32)
        if self.settings.normalise and len(sound):
            sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
        middles = (np.arange(frames) + 0.5) * SAMPLE_RATE / fps
        at = np.maximum((middles - self.field / 2) / self.stride, 0)
        before = np.floor(at).astype(int)
        states = self._hear(sound, int(before[-1]) + 2)
        share = (at - before).astype(np.float32)[:, None]
        return states[before] * (1 - share) + states[before + 1] * share

    def _hear(self, sound: np.ndarray, count: int) -> np.ndarray:
        """Hidden states (count, width), in windows where they are many."""
        length = (count - 1) * self.stride + self.field
        padded = np.zeros(length, np.float32)
        padded[: len(sound)] = sound[:length]
        per_second = SAMPLE_RATE / self.stride
        most, margin = (round(s * per_second) for s in (self.settings.window, self.settings.margin))
        if count <= most:
            return self._states(padded)
        step = most - 2 * margin
        kept = []
        for start in range(0, count, step):
            first, last = max(0, start - margin), min(count, start + step + margin)
            part = padded[first * self.stride : (last - 1) * self.stride + self.field]
            kept.append(self._states(part)[start - first : start - first + step])
        return np.concatenate(kept)[:count]

    @torch.no_grad()
    def _states(self, sound: np.ndarray) -> np.ndarray:
        wave = torch.from_numpy(sound)[None].to(self.model.device, self.model.dtype)
        heard = self.model(wave, output_hidden_states=True)
        # Where layers norm their input the last of these lacks the norm that ends the model.
        every = (*heard.hidden_states[:-1], heard.last_hidden_state)
        chosen: list[Tensor] = [every[layer].float() for layer in self.settings.layers]
        return torch.stack(chosen).mean(0)[0].cpu().numpy()

    def save(self, folder: Path) -> None:
        """Write the model, its configuration and the settings into ``folder``."""
        with refreshing(folder) as fresh:
            save_quietly(self.model, fresh)
            write_settings(self.settings, fresh)

    @classmethod
    def load(cls, folder: Path) -> "Wav2Vec2Speech":
        """Read what :meth:`save` or an import wrote; types stay as they are in the files.

        Raises:
            ModelError: the files are damaged or do not fit.

        """
        model = speech_encoder(folder)
        load_module(folder, model, speech_names)
        return cls(model, read_settings(folder))


def write_settings(settings: HearingSettings, folder: Path) -> None:
    """Write how a model is listened to beside it."""
    (folder / SETTINGS).write_text(json.dumps(asdict(settings), indent=2) + "\n")


def read_settings(folder: Path) -> HearingSettings:
    """Read how the model of a folder is listened to.

    Raises:
        ModelError: a setting is missing, unknown or out of its range.

    """
    told = read_json(folder / SETTINGS)
    try:
        return HearingSettings(**{**told, "layers": tuple(told["layers"])})
    except (TypeError, KeyError) as error:
        raise ModelError(f"{folder / SETTINGS} is not how speech is heard: {error}") from error


def published_settings(folder: Path) -> HearingSettings:
    """Read from a published checkpoint's preprocessor_config.json how it is listened to.

    Raises:
        ModelError: it hears at another rate than 16 kHz.

    """
    file = folder / "preprocessor_config.json"
    told = read_json(file) if file.is_file() else {}
    rate = told.get("sampling_rate", SAMPLE_RATE)
    if not math.isclose(rate, SAMPLE_RATE):
        raise ModelError(f"{file} says sampling_rate {rate}; speech comes at {SAMPLE_RATE} here")
    return HearingSettings(normalise=bool(told.get("do_normalize", True)))
