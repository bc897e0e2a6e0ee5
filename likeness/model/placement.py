"""Where a generator's transformer runs, in what precision, and what it does to fit into memory."""

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal, cast, get_args

import torch
from diffusers.models._modeling_parallel import ContextParallelConfig

from likeness.model.config import ModelError
from likeness.model.generator import Generator
from likeness.model.network.division import quiet_about_experiments
from likeness.model.network.transformer import AvatarTransformer3DModel

Precision = Literal["float32", "bfloat16"]
Offload = Literal["none", "group"]
Storage = Literal["none", "fp8", "torchao"]

FLOAT8_CAPABILITY = (8, 9)  # Ada and Hopper


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How a transformer is run.

    Attributes:
        device: as torch names it. The transformer goes there; codec and encoders stay.
        dtype: of weights and products. Norms, modulation and time embedder stay in float32.
        offload: "group" keeps the blocks in the machine's memory and brings one at a time to the
            device: the same output, slower.
        storage: "fp8" keeps the matrices of the blocks in 8 bits and multiplies in ``dtype``: half
            the memory of bfloat16, a slightly different output. "torchao" multiplies in 8 bits as
            well, on a GPU that can and with torchao installed.
        compile: compiles the block, once for all of them; the first forward takes longer.
        attention_backend: a name that diffusers knows, such as "_native_flash"; None for its own.
        ulysses: processes that share the tokens of every stream (context parallelism); each runs
            the same generation, started by ``torchrun``.

    """

    device: str = "cpu"
    dtype: Precision = "float32"
    offload: Offload = "none"
    storage: Storage = "none"
    compile: bool = False
    attention_backend: str | None = None
    ulysses: int = 1

    def __post_init__(self) -> None:
        allowed = {"dtype": Precision, "offload": Offload, "storage": Storage}
        for name, kind in allowed.items():
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise ModelError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        if self.ulysses < 1:
            raise ModelError(f"ulysses must be positive, got {self.ulysses}")
        try:
            kind = torch.device(self.device).type
        except RuntimeError as error:
            raise ModelError(f"no such device as {self.device!r}") from error
        if kind == "cuda" and not torch.cuda.is_available():
            raise ModelError("no GPU is here that torch can use: choose device cpu")
        if self.offload == "group" and self.ulysses > 1:
            raise ModelError("offload group and ulysses exclude each other: choose one")

    def apply(self, generator: Generator) -> None:
        """Bring the generator's transformer into this state, once; it is then for inference.

        Raises:
            ModelError: this machine or this transformer can't do it, and why.

        """
        transformer = generator.transformer.requires_grad_(False)
        device, dtype = torch.device(self.device), getattr(torch, self.dtype)
        if self.ulysses > 1:
            transformer.check_division(self.ulysses, generator.config.token_size)
        if self.storage == "torchao":
            self._check_torchao(device)
        if self.offload == "none":
            cast(torch.nn.Module, transformer).to(device)
        cast_weights(transformer, dtype)
        with quiet_about_experiments():
            self._choose_attention(transformer)
            if self.ulysses > 1:
                transformer.enable_parallelism(
                    config=ContextParallelConfig(ulysses_degree=self.ulysses)
                )
        if self.storage == "fp8":
            transformer.enable_layerwise_casting(torch.float8_e4m3fn, compute_dtype=dtype)
        if self.storage == "torchao":
            ao: Any = importlib.import_module("torchao.quantization")
            how = ao.Float8DynamicActivationFloat8WeightConfig(granularity=ao.PerRow())
            ao.quantize_(transformer.blocks, how)
        if self.offload == "group":
            transformer.enable_group_offload(
                device, num_blocks_per_group=1, use_stream=device.type == "cuda"
            )
        if self.compile:
            transformer.compile_repeated_blocks()

    def _choose_attention(self, transformer: AvatarTransformer3DModel) -> None:
        if self.attention_backend is None:
            return
        try:
            transformer.set_attention_backend(self.attention_backend)
        except (ValueError, RuntimeError, ImportError) as error:
            told = str(error).splitlines()[0]
            raise ModelError(f"attention backend {self.attention_backend!r}: {told}") from error

    def _check_torchao(self, device: torch.device) -> None:
        if device.type != "cuda" or torch.cuda.get_device_capability(device) < FLOAT8_CAPABILITY:
            raise ModelError("storage torchao needs a GPU with float8 (Ada, Hopper): choose fp8")
        if self.dtype != "bfloat16":
            raise ModelError(f"storage torchao needs dtype bfloat16, got {self.dtype}")
        if importlib.util.find_spec("torchao") is None:
            raise ModelError("storage torchao: torchao is not here; `pip install torchao`")

    def next_saving(self, *, one_by_one: bool = False) -> str:
        """Say what to turn on next when memory ran out, the cheapest first.

        ``one_by_one`` says that guidance branches already run one after the other.
        """
        steps = (
            (not one_by_one, "run the guidance branches one by one (the same clip)"),
            (self.dtype == "float32", "choose dtype bfloat16"),
            (self.offload == "none" and self.ulysses == 1, "choose offload group (slower)"),
            (self.storage == "none", "choose storage fp8 (a slightly different clip)"),
            (self.offload == "none", "share the tokens among more GPUs (ulysses)"),
            (True, "make shorter chunks or look at fewer reference frames"),
        )
        return next(told for wanted, told in steps if wanted)


def placement_options(**chosen: Any) -> Placement:
    """Make a :class:`Placement` of a command's options; what is None is chosen by the machine.

    That is the first GPU and bfloat16, or the processor and float32.

    Raises:
        ModelError: an option is unknown or of no such value.

    """
    if unknown := sorted(chosen.keys() - {field.name for field in fields(Placement)}):
        raise ModelError(f"{unknown[0]} is no option of a placement")
    given = {name: value for name, value in chosen.items() if value is not None}
    given.setdefault("device", "cuda" if torch.cuda.is_available() else "cpu")
    given.setdefault("dtype", "float32" if given["device"] == "cpu" else "bfloat16")
    return Placement(**given)


def cast_weights(transformer: AvatarTransformer3DModel, dtype: torch.dtype) -> None:
    """Cast the weights, but for those that the model keeps in float32."""
    keep = transformer._keep_in_fp32_modules
    for name, parameter in transformer.named_parameters():
        if not any(part in keep for part in name.split(".")):
            parameter.data = parameter.data.to(dtype)


@contextmanager
def memory_advice(placement: Placement, *, one_by_one: bool = False) -> Iterator[None]:
    """Turn torch's long message about memory into one line that says what to turn on.

    Raises:
        ModelError: memory ran out within.

    """
    try:
        yield
    except RuntimeError as error:
        full = isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
        if not full:
            raise
        advice = placement.next_saving(one_by_one=one_by_one)
        raise ModelError(f"out of memory on {placement.device}: {advice}") from error
