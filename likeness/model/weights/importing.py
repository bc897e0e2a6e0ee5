"""A Wan2.1 checkpoint made ours: checked tensor by tensor, with TAVR's new parameters drawn."""

import copy
import json
import shutil
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.cost.parameters import skeleton
from likeness.model.encoders.audio import SLOT_SCALE
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.weights.loading import check_tensors
from likeness.model.weights.tensor_files import FLOATS, Entry, TensorFiles, write_shards
from likeness.model.weights.wan import check_config, names_of, transformer_folder
from likeness.store.atomic import DiskFullError, making_folder
from likeness.store.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote: tensors taken from the checkpoint and drawn, files and bytes."""

    folder: Path
    taken: int
    drawn: int
    shards: int
    size: int


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How to import.

    Attributes:
        dtype: of the tensors written; what the model keeps in float32 (norms, modulation, time
            embedder) stays in it.
        seed: of the new parameters.
        shard_bytes: tensors of a file come to no more.

    """

    dtype: torch.dtype = torch.bfloat16
    seed: int = 0
    shard_bytes: int = 5_000_000_000


def import_wan(
    config: GeneratorConfig,
    path: Path,
    out: Path,
    settings: ImportSettings | None = None,
    *,
    progress: Progress = silent,
) -> Imported:
    """Import a Wan2.1 transformer in diffusers' or the original layout.

    ``out`` becomes a checkpoint folder: config.json of the generator, and transformer/ with sharded
    safetensors that diffusers reads too. One tensor is in memory at a time. TAVR's parameters that
    the checkpoint lacks are drawn from the seed, output projections zero, so that with no reference
    the imported model is Wan's.

    Args:
        config: preset to import into.
        path: folder of config.json and safetensors, a pipeline's folder, or one safetensors file.
        out: folder to make; it must not hold anything.
        settings: how.
        progress: told of tensors.

    Raises:
        ModelError: the checkpoint is no safetensors, damaged or of another model; nothing is
            written.
        DiskFullError: there is no room; nothing is left behind.

    """
    settings = settings or ImportSettings()
    source = transformer_folder(path)
    files = TensorFiles.open(source)
    model = skeleton(config)
    check_config(source, model.config, config.preset)
    names = names_of(files.places)
    check_tensors(source, files, names, model, new=True)
    entries = [
        Entry(name=name, shape=tuple(p.shape), dtype=_kept_type(name, settings.dtype))
        for name, p in model.state_dict().items()
    ]
    size = sum(entry.size for entry in entries)
    types = {entry.name: entry.dtype for entry in entries}

    def value(name: str) -> Tensor:
        if name not in names:
            return _drawn(model, name, settings.seed).to(types[name])
        tensor = files.read(names[name]).to(types[name])
        if not bool(torch.isfinite(tensor).all()):
            raise ModelError(f"{source}: {names[name]} is not finite in {FLOATS[types[name]]}")
        return tensor

    with making_folder(out) as partial:
        _check_room(partial, size)
        (partial / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
        model.save_config(partial / "transformer")
        shards = write_shards(
            partial / "transformer",
            entries,
            value,
            shard_bytes=settings.shard_bytes,
            written=lambda count: progress(count, len(entries), ""),
        )
    taken = len(names)
    return Imported(
        folder=out, taken=taken, drawn=len(entries) - taken, shards=len(shards), size=size
    )


def _kept_type(name: str, wanted: torch.dtype) -> torch.dtype:
    """Return float32 for what diffusers would bring back to it at loading."""
    keep = AvatarTransformer3DModel._keep_in_fp32_modules
    return torch.float32 if any(part in keep for part in name.split(".")) else wanted


def _drawn(model: AvatarTransformer3DModel, name: str, seed: int) -> Tensor:
    """Draw a new parameter as the model's class would, from the seed and its module's name."""
    shape = model.get_parameter(name).shape
    if name == "stream_embedding" or ".attn_audio.to_out." in name or "refiner.outward" in name:
        return torch.zeros(shape)
    module, _, leaf = name.rpartition(".")
    with torch.random.fork_rng(devices=[]):
        # The seed goes into the hash, as torch's generator on the CPU heeds 32 bits of its seed.
        torch.manual_seed(zlib.crc32(f"{seed} {module}".encode()))
        if leaf == "slot":
            return torch.randn(shape) * SLOT_SCALE
        owner: Any = copy.deepcopy(model.get_submodule(module)).to_empty(device="cpu")
        owner.reset_parameters()
        return owner.get_parameter(leaf).detach()


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise DiskFullError(
            f"no room on the disk for {size / 1e9:.1f} GB beside {folder.parent}: "
            f"{free / 1e9:.1f} GB are free"
        )
