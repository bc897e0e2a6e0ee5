"""The models beside the transformer as they are published: without weights, and their names."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from accelerate import init_empty_weights
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel, Wav2Vec2Config, Wav2Vec2Model

from likeness.model.config import ModelError

Model = TypeVar("Model", bound=nn.Module)

_LAYOUT = {"scale_factor_temporal": 4, "scale_factor_spatial": 8, "patch_size": None}
_EMBEDDINGS = ("shared.weight", "encoder.embed_tokens.weight")  # one tensor of two names
_WAV2VEC2 = "wav2vec2."  # before the names in checkpoints with a head
_NOT_HEARD = (  # heads of a Wav2Vec2 checkpoint, and what stands for a masked step in training
    *("lm_head.", "quantizer.", "project_q.", "project_hid.", "masked_spec_embed"),
    "mask_time_emb_vector",
)
_NORMED = {"weight_g": "original0", "weight_v": "original1"}  # names before torch 2.0


def vae(folder: Path) -> AutoencoderKLWan:
    """Build the VAE that a folder in diffusers' layout says, on the meta device.

    Raises:
        ModelError: it is none of Wan2.1's kind: 4x in time, 8x in space.

    """
    told = read_json(folder / "config.json")
    _check_class(folder, told, "_class_name", "AutoencoderKLWan")
    for name, value in _LAYOUT.items():
        if told.get(name, value) != value:
            raise ModelError(
                f"{folder / 'config.json'} says {name} {told[name]}: not the VAE of Wan2.1, "
                f"which has {value}"
            )
    return _built(folder, lambda: AutoencoderKLWan(**_arguments(told)))


def text_encoder(folder: Path) -> UMT5EncoderModel:
    """Build the UMT5 encoder that a folder in transformers' layout says, on the meta device."""
    told = read_json(folder / "config.json")
    _check_class(folder, told, "model_type", "umt5")

    def build() -> UMT5EncoderModel:
        # Published with untied embeddings; but the encoder has one table under two names.
        model = UMT5EncoderModel(UMT5Config.from_dict({**told, "tie_word_embeddings": True}))
        model.set_input_embeddings(model.shared)
        return model

    return _built(folder, build)


def speech_encoder(folder: Path) -> Wav2Vec2Model:
    """Build the Wav2Vec2 encoder that a folder in transformers' layout says, on the meta device."""
    told = read_json(folder / "config.json")
    _check_class(folder, told, "model_type", "wav2vec2")
    if told.get("add_adapter"):
        raise ModelError(f"{folder / 'config.json'} has add_adapter: its rate is not Wav2Vec2's")
    unmasked = {"mask_time_prob": 0.0, "mask_feature_prob": 0.0}  # of training, as are heads
    return _built(folder, lambda: Wav2Vec2Model(Wav2Vec2Config.from_dict({**told, **unmasked})))


def same_names(names: Iterable[str]) -> dict[str, str]:
    """Map each name to itself."""
    return {name: name for name in names}


def text_names(names: Iterable[str]) -> dict[str, str]:
    """Map a UMT5 encoder's names to a checkpoint's; either name of its embeddings will do."""
    ours = same_names(names)
    for here, other in (_EMBEDDINGS, _EMBEDDINGS[::-1]):
        if here in ours:
            ours.setdefault(other, here)
    return ours


def speech_names(names: Iterable[str]) -> dict[str, str]:
    """Map Wav2Vec2Model's names to those of a checkpoint with or without a head, old or new."""
    ours: dict[str, str] = {}
    for name in names:
        bare = name.removeprefix(_WAV2VEC2)
        if not bare.startswith(_NOT_HEARD):
            module, _, leaf = bare.rpartition(".")
            if leaf in _NORMED:
                bare = f"{module}.parametrizations.weight.{_NORMED[leaf]}"
            ours[bare] = name
    return ours


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ModelError: it is not there, or no JSON object.

    """
    if not file.is_file():
        raise ModelError(f"{file} is not there")
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{file} is no JSON object: get it again") from error


def _check_class(folder: Path, told: dict[str, Any], name: str, wanted: str) -> None:
    if told.get(name, wanted) != wanted:
        raise ModelError(f"{folder / 'config.json'} says {name} {told[name]} and not {wanted}")


def _arguments(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if not name.startswith("_")}


def _built(folder: Path, build: Callable[[], Model]) -> Model:
    try:
        with init_empty_weights(include_buffers=False):
            return build()
    except (TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{folder / 'config.json'} makes no model: {reason}") from error
