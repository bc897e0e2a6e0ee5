"""Wan2.1's checkpoints: names of their tensors and what their config.json says.

Our transformer has the names of diffusers' layout. The table is that of the Wan repository's
modules against WanTransformer3DModel's; diffusers keeps one of its own in a place without a promise
to stay, so the tests compare with it instead of the code calling it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from likeness.model.config import ModelError

PREFIX = "model.diffusion_model."  # of files that hold a whole pipeline
_ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"} | {
    name: name for name in ("norm_q", "norm_k")
}
_IN_BLOCK = {
    **{f"self_attn.{theirs}": f"attn1.{ours}" for theirs, ours in _ATTENTION.items()},
    **{f"cross_attn.{theirs}": f"attn2.{ours}" for theirs, ours in _ATTENTION.items()},
    "norm3": "norm2",  # of text cross-attention; the other two norms have no parameters
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "modulation": "scale_shift_table",
}
_AROUND = {
    "patch_embedding": "patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.head": "proj_out",
    "head.modulation": "scale_shift_table",
}
_SETTINGS = {  # of config.json in the original layout, by the transformer's argument
    "num_attention_heads": "num_heads",
    "in_channels": "in_dim",
    "out_channels": "out_dim",
    "ffn_dim": "ffn_dim",
    "freq_dim": "freq_dim",
    "num_layers": "num_layers",
    "eps": "eps",
}
_IMAGE = ("image_dim", "added_kv_proj_dim", "pos_embed_seq_len")  # set in image-to-video models


def names_of(names: Iterable[str]) -> dict[str, str]:
    """Map our names to those of a checkpoint in either layout; an unknown one stays as it is.

    Raises:
        ModelError: two tensors of the checkpoint have one name of ours.

    """
    ours: dict[str, str] = {}
    plain = {name: name.removeprefix(PREFIX) for name in names}
    original = any(".self_attn." in name for name in plain.values())
    for name, bare in plain.items():
        new = _renamed(bare) if original else bare
        if new in ours:
            raise ModelError(f"the checkpoint holds {new} twice: as {ours[new]} and as {name}")
        ours[new] = name
    return ours


def _renamed(name: str) -> str:
    block = re.match(r"blocks\.\d+\.", name)
    before = block[0] if block else ""
    table = _IN_BLOCK if block else _AROUND
    rest = name.removeprefix(before)
    module, _, leaf = rest.rpartition(".")
    if leaf in ("weight", "bias") and module in table:
        return f"{before}{table[module]}.{leaf}"
    return before + table.get(rest, rest)


def transformer_folder(path: Path) -> Path:
    """Return the transformer's folder where ``path`` is that of a whole pipeline or generator."""
    inner = path / "transformer"
    return inner if (inner / "config.json").is_file() else path


def check_config(path: Path, arguments: Mapping[str, Any], preset: str) -> None:
    """Refuse a checkpoint whose config.json contradicts the transformer's arguments.

    Shapes don't show everything: heads and eps, for instance. A single file has no config.json and
    is taken at its shapes.

    Raises:
        ModelError: it does, or a folder has none.

    """
    if path.is_file():
        return
    file = path / "config.json"
    if not file.is_file():
        raise ModelError(f"{file} is not there: give the folder of a Wan2.1 transformer")
    try:
        told = dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ModelError(f"{file} is no JSON object: get it again") from error
    for name in _IMAGE:
        if told.get(name) is not None:
            raise ModelError(f"{file} has {name}: an image-to-video model; {preset} is of text")
    wanted = dict(arguments) | {"qk_norm": "rms_norm_across_heads"}
    if "num_heads" in told:  # the original layout
        wanted = {theirs: arguments[ours] for ours, theirs in _SETTINGS.items()}
        wanted["dim"] = arguments["num_attention_heads"] * arguments["attention_head_dim"]
        wanted["model_type"] = "t2v"
    for name, value in wanted.items():
        if name in told and _plain(told[name]) != _plain(value):
            raise ModelError(
                f"{file} says {name} {told[name]}, {preset} has {_plain(value)}: "
                "import it as the preset that it is"
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
