"""A Wan2.1 checkpoint made ours: checked tensor by tensor, with TAVR's new parameters drawn."""

import copy
import shutil
import zlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from likeness.model.components import missing_parts, write_config
from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.cost.parameters import skeleton
from likeness.model.encoders.audio import SLOT_SCALE
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.weights.loading import SHARDED, check_tensors
from likeness.model.weights.parts import Part, codec_part, speech_part, text_part
from likeness.model.weights.published import read_json
from likeness.model.weights.tensor_files import PICKLES, SHARD_BYTES, Entry, TensorFiles
from likeness.model.weights.wan import check_config, names_of, transformer_folder
from likeness.store.atomic import DiskFullError, making_folder
from likeness.store.progress import Progress, silent


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote.

    Attributes:
        folder: the checkpoint.
        parts: places of its parts, the transformer's first.
        missing: places of the parts that it still needs.
        unread: pickles that lie beside the checkpoint and were not read.
        taken, drawn: tensors taken from the checkpoint and drawn from the seed.
        shards, size: files of tensors and their bytes.

    """

    folder: Path
    parts: tuple[str, ...]
    missing: tuple[str, ...]
    unread: tuple[str, ...]
    taken: int
    drawn: int
    shards: int
    size: int


@dataclass(frozen=True, kw_only=True)
class ImportSettings:
    """How to import, and from where what the checkpoint itself has not.

    Attributes:
        dtype: of the transformer's and the text encoder's tensors; what the model keeps in float32
            (norms, modulation, time embedder) stays in it, as codec and speech encoder stay as
            they are.
        seed: of the new parameters.
        shard_bytes: tensors of a file come to no more.
        pipeline: folder in diffusers' layout with the codec, text encoder and scheduler; by default
            those beside the transformer are taken, if it stands in such a folder.
        wav2vec2: folder of the speech encoder in transformers' layout.

    """

    dtype: torch.dtype = torch.bfloat16
    seed: int = 0
    shard_bytes: int = SHARD_BYTES
    pipeline: Path | None = None
    wav2vec2: Path | None = None


def import_wan(
    config: GeneratorConfig,
    path: Path,
    out: Path,
    settings: ImportSettings | None = None,
    *,
    progress: Progress = silent,
) -> Imported:
    """Import a Wan2.1 checkpoint: the transformer in diffusers' or the original layout, and more.

    ``out`` becomes a checkpoint folder: config.json of the generator, transformer/, and vae/, text/
    and speech/ where there is something to make them from; all sharded safetensors that diffusers
    and transformers read too. One tensor is in memory at a time. TAVR's parameters that the
    checkpoint lacks are drawn from the seed, output projections zero, so that with no reference the
    imported model is Wan's.

    Args:
        config: preset to import into.
        path: folder of the transformer, of a whole pipeline or generator, or one safetensors file.
        out: folder to make; it must not hold anything.
        settings: how.
        progress: told of tensors.

    Raises:
        ModelError: something is no safetensors, damaged or of another model; nothing is written.
        DiskFullError: there is no room; nothing is left behind.

    """
    settings = settings or ImportSettings()
    source = transformer_folder(path)
    around = settings.pipeline or (path if source != path else None)
    parts = [_transformer_part(config, source, settings), *_parts_around(config, around, settings)]
    if around is not None:
        config = replace(config, flow_shift=_flow_shift(around) or config.flow_shift)
    size = sum(part.size for part in parts)
    total = sum(len(part.entries) for part in parts)
    done = shards = 0
    with making_folder(out) as partial_folder:
        _check_room(partial_folder, size)
        write_config(config, partial_folder)
        for part in parts:

            def written(count: int, before: int = done) -> None:
                progress(before + count, total, "")

            shards += part.write(partial_folder, settings.shard_bytes, written)
            done += len(part.entries)
    taken = sum(len(part.entries.keys() & part.names.keys()) for part in parts)
    return Imported(
        folder=out,
        parts=tuple(part.place for part in parts),
        missing=missing_parts(out, config),
        unread=_pickles(path),
        taken=taken,
        drawn=total - taken,
        shards=shards,
        size=size,
    )


def _transformer_part(config: GeneratorConfig, source: Path, settings: ImportSettings) -> Part:
    files = TensorFiles.open(source)
    model = skeleton(config)
    check_config(source, model.config, config.preset)
    names = names_of(files.places)
    check_tensors(source, files, names, model, new=True)
    return Part(
        place=SHARDED,
        source=source,
        files=files,
        names=names,
        entries={
            name: Entry(name=name, shape=tuple(p.shape), dtype=_kept_type(name, settings.dtype))
            for name, p in model.state_dict().items()
        },
        beside=model.save_config,
        drawn=partial(_drawn, model, settings.seed),
    )


def _parts_around(
    config: GeneratorConfig, around: Path | None, settings: ImportSettings
) -> list[Part]:
    """Check what stands beside a transformer, in a pipeline's folder or in one of ours."""
    parts: list[Part] = []
    if around is not None:
        if settings.pipeline is not None and not (around / "vae").is_dir():
            raise ModelError(
                f"{around} is no folder in diffusers' layout: it has no vae/ (a pickle such as "
                "Wan2.1_VAE.pth is not read; take the codec and text encoder from that layout)"
            )
        if config.codec == "wan" and (around / "vae").is_dir():
            parts.append(codec_part(config, around / "vae"))
        for text, tokenizer in (("text_encoder", "tokenizer"), ("text", "text")):
            if (around / text).is_dir():
                found = text_part(config, around / text, around / tokenizer, settings.dtype)
                parts.append(found)
                break
    speech = settings.wav2vec2
    if speech is None and around is not None and (around / "speech").is_dir():
        speech = around / "speech"
    if speech is not None:
        if config.speech != "wav2vec2":
            raise ModelError(f"{config.preset} hears {config.speech}: it has no use for {speech}")
        parts.append(speech_part(config, speech))
    return parts


def _flow_shift(around: Path) -> float | None:
    """Return the shift that a pipeline's scheduler or a generator of ours says, or None."""
    files = (around / "scheduler" / "scheduler_config.json", around / "config.json")
    for file in (f for f in files if f.is_file()):
        told = read_json(file)
        shift = told.get("flow_shift", told.get("shift"))
        if shift is not None and not (isinstance(shift, int | float) and shift > 0):
            raise ModelError(f"{file} says flow_shift {shift!r}, which must be a positive number")
        return shift
    return None


def _pickles(path: Path) -> tuple[str, ...]:
    if not path.is_dir():
        return ()
    return tuple(sorted(file.name for file in path.iterdir() if file.suffix in PICKLES))


def _kept_type(name: str, wanted: torch.dtype) -> torch.dtype:
    """Return float32 for what diffusers would bring back to it at loading."""
    keep = AvatarTransformer3DModel._keep_in_fp32_modules
    return torch.float32 if any(part in keep for part in name.split(".")) else wanted


_ZERO = (
    ".attn_audio.to_out.",
    "refiner.outward",
    "movement_gate",
    "movement.kind",
    "movement.scale_shift_table",
    "movement.head",
)


def _drawn(model: AvatarTransformer3DModel, seed: int, name: str) -> Tensor:
    """Draw a new parameter as the model's class would, from the seed and its module's name."""
    shape = model.get_parameter(name).shape
    if name == "stream_embedding" or any(part in name for part in _ZERO):
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
