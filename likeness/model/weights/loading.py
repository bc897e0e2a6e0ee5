"""Models from their files, and the transformer into them."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.cost.parameters import is_added, skeleton
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.weights.published import same_names
from likeness.model.weights.saving import refreshing
from likeness.model.weights.tensor_files import (
    FLOATS,
    SHARD_BYTES,
    Entry,
    TensorFiles,
    write_shards,
)
from likeness.store.atomic import replacing

Naming = Callable[[Iterable[str]], dict[str, str]]  # a checkpoint's names to ours-to-theirs

SHARDED, WHOLE = "transformer", "transformer.safetensors"
_SHOWN = 5  # names in an error; the rest is counted


def load_module(folder: Path, model: nn.Module, naming: Naming = same_names) -> None:
    """Give a model without weights its tensors, each of which takes its place as it is.

    Types stay as they are in the files, and values are read from them when they are first used.

    Raises:
        ModelError: a file is damaged, or tensors are missing, left over or of other shapes.

    """
    files = TensorFiles.open(folder)
    names = naming(files.places)
    check_tensors(folder, files, names, model, new=False)
    model.load_state_dict({ours: files.read(theirs) for ours, theirs in names.items()}, assign=True)
    model.eval().requires_grad_(False)


def load_transformer(folder: Path, config: GeneratorConfig) -> AvatarTransformer3DModel:
    """Load a transformer from its own folder of safetensors, as :func:`load_module` does."""
    model = skeleton(config)
    load_module(folder, model)
    return model


def transformer_of(folder: Path, config: GeneratorConfig) -> AvatarTransformer3DModel:
    """Load the transformer of a checkpoint's folder, in either form.

    Raises:
        ModelError: a file is damaged, or tensors are missing, left over or of other shapes.

    """
    if (folder / SHARDED).is_dir():
        return load_transformer(folder / SHARDED, config)
    if not (folder / WHOLE).is_file():
        raise ModelError(f"{folder} has no {SHARDED}/ and no {WHOLE}: get the checkpoint again")
    return load_whole(folder / WHOLE, config)


def save_transformer(model: AvatarTransformer3DModel, folder: Path) -> None:
    """Write single precision as one file in half precision; other types as they are, in shards.

    Raises:
        ModelError: the folder holds the transformer in the other form.

    """
    state = model.state_dict()
    whole = all(tensor.dtype == torch.float32 for tensor in state.values())
    if (folder / (SHARDED if whole else WHOLE)).exists():
        raise ModelError(f"{folder} holds another generator: save into another folder")
    if whole:
        with replacing(folder / WHOLE) as partial:
            save_file({k: v.half().contiguous() for k, v in state.items()}, partial)
        return
    entries = [Entry(name=n, shape=tuple(t.shape), dtype=t.dtype) for n, t in state.items()]
    with refreshing(folder / SHARDED) as fresh:
        model.save_config(fresh)
        write_shards(fresh, entries, lambda name: state[name].cpu(), shard_bytes=SHARD_BYTES)


def load_whole(path: Path, config: GeneratorConfig) -> AvatarTransformer3DModel:
    """Load the one file that :meth:`Generator.save` wrote, in single precision.

    Raises:
        ModelError: tensors are missing or left over.

    """
    transformer = AvatarTransformer3DModel(**config.transformer)
    missing, extra = transformer.load_state_dict(
        {k: v.float() for k, v in load_file(path).items()}, strict=False
    )
    if missing or extra:
        raise ModelError(
            f"{path} does not fit preset {config.preset}: "
            f"missing {missing[:3]}, left over {extra[:3]}"
        )
    return transformer.eval().requires_grad_(False)


def check_tensors(
    source: Path,
    files: TensorFiles,
    names: Mapping[str, str],
    model: nn.Module,
    *,
    new: bool,
) -> None:
    """Refuse a checkpoint whose tensors are not the model's.

    Args:
        source: of the checkpoint, for the message.
        files: its tensors.
        names: the model's name of each to the checkpoint's.
        model: without weights.
        new: whether the parameters that TAVR adds may be missing.

    Raises:
        ModelError: tensors are missing, left over, or of another shape or type.

    """
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    here = {name: files.places[theirs] for name, theirs in names.items()}
    known = [name for name in here if name in wanted]
    faults = {
        "missing": [n for n in wanted if n not in here and not (new and is_added(n))],
        "left over": [names[n] for n in here if n not in wanted],
        "of another shape": [
            f"{names[n]} is {list(here[n].shape)} and not {list(wanted[n])}"
            for n in known
            if here[n].shape != wanted[n]
        ],
        "of another type": [
            f"{names[n]} is {here[n].dtype} and not one of {', '.join(FLOATS.values())}"
            for n in known
            if here[n].dtype not in FLOATS.values()
        ],
    }
    told = [f"{fault} {_listed(items)}" for fault, items in faults.items() if items]
    if told:
        raise ModelError(f"{source} does not fit: {'; '.join(told)}")


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"({len(items)}): {', '.join(items[:_SHOWN])}{more}"
