"""Tiny random Wan2.1 transformers in every layout that they are published in."""

import json
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.single_file_utils import convert_wan_transformer_to_diffusers
from safetensors.torch import save_file
from torch import Tensor

from likeness.model import GeneratorConfig

SIZES = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "in_channels": 4,
    "out_channels": 4,
    "text_dim": 16,
    "freq_dim": 32,
    "ffn_dim": 40,
    "num_layers": 2,
}
CONFIG = GeneratorConfig(
    preset="wan-small", height=64, width=96, transformer=SIZES | {"audio_dim": 6}
)
# Of the Wan repository's wan/modules/model.py.
_AROUND = (
    *("patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0"),
    *("time_embedding.2", "time_projection.1", "head.head"),
)
_LINEAR = tuple(f"{a}_attn.{p}" for a in ("self", "cross") for p in "qkvo")
_LEAVES = ("weight", "bias")
_SCALES = tuple(f"{a}_attn.norm_{p}.weight" for a in ("self", "cross") for p in "qk")


def wan(seed: int = 0) -> WanTransformer3DModel:
    model = WanTransformer3DModel(**SIZES).eval()
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=chance) * 0.2)
    return model


def original_names() -> list[str]:
    both = [f"{name}.{leaf}" for name in _AROUND for leaf in _LEAVES]
    inside = [
        *(f"{name}.{leaf}" for name in (*_LINEAR, "ffn.0", "ffn.2", "norm3") for leaf in _LEAVES),
        *_SCALES,
        "modulation",
    ]
    blocks = [f"blocks.{n}.{name}" for n in range(SIZES["num_layers"]) for name in inside]
    return [*both, "head.modulation", *blocks]


def original_state(model: WanTransformer3DModel) -> dict[str, Tensor]:
    """Rename the tensors as the Wan repository does, by diffusers' own table."""
    state = model.state_dict()
    return {
        name: state[next(iter(convert_wan_transformer_to_diffusers({name: torch.empty(0)})))]
        for name in original_names()
    }


def original_config() -> dict:
    return {
        "_class_name": "WanModel",
        "dim": 24,
        "eps": 1e-06,
        "ffn_dim": 40,
        "freq_dim": 32,
        "in_dim": 4,
        "model_type": "t2v",
        "num_heads": 2,
        "num_layers": 2,
        "out_dim": 4,
        "text_len": 512,
    }


def write_diffusers(folder: Path, model: WanTransformer3DModel, *, shards: bool) -> Path:
    model.save_pretrained(folder, max_shard_size="20KB" if shards else "10GB")
    assert len(list(folder.glob("*.safetensors"))) > 1 or not shards
    return folder


def write_original(folder: Path, model: WanTransformer3DModel, *, shards: bool) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(original_config()))
    state = original_state(model)
    stem = "diffusion_pytorch_model"
    if not shards:
        save_file(state, folder / f"{stem}.safetensors")
        return folder
    names = sorted(state)
    parts = {f"{stem}-0000{i + 1}-of-00003.safetensors": names[i::3] for i in range(3)}
    for file, part in parts.items():
        save_file({name: state[name] for name in part}, folder / file)
    index = {"metadata": {}, "weight_map": {n: f for f, part in parts.items() for n in part}}
    (folder / f"{stem}.safetensors.index.json").write_text(json.dumps(index))
    return folder


def write_single(folder: Path, model: WanTransformer3DModel, *, prefix: str = "") -> Path:
    path = folder.with_suffix(".safetensors")
    save_file({prefix + name: tensor for name, tensor in original_state(model).items()}, path)
    return path
