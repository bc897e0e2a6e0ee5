"""The transformer from its files."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file

from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.cost.parameters import is_added, skeleton
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.model.weights.tensor_files import FLOATS, TensorFiles

_SHOWN = 5  # names in an error; the rest is counted


def load_transformer(folder: Path, config: GeneratorConfig) -> AvatarTransformer3DModel:
    """Load an imported transformer: each tensor takes its place in a model without any.

    Types stay as they are in the files, and values are read from them when they are first used.

    Raises:
        ModelError: a file is damaged, or tensors are missing, left over or of other shapes.

    """
    files = TensorFiles.open(folder)
    model = skeleton(config)
    names = {name: name for name in files.places}
    check_tensors(folder, files, names, model, new=False)
    model.load_state_dict({name: files.read(name) for name in names}, assign=True)
    return model.eval().requires_grad_(False)


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
    return transformer


def check_tensors(
    source: Path,
    files: TensorFiles,
    names: Mapping[str, str],
    model: AvatarTransformer3DModel,
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
