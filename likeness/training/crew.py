"""The processes that train together, as ``torchrun`` starts them; one alone without it.

accelerate finds out who takes part and on what devices. It shards weights on GPUs only, so FSDP2 is
called directly here: the same lines run on a mesh of CPU processes, where tests hold them.
"""

from contextlib import AbstractContextManager
from typing import Any, Literal, cast, get_args

import torch
import torch.distributed as dist
from accelerate import PartialState
from diffusers.models._modeling_parallel import ContextParallelConfig
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from likeness.model.config import ModelError
from likeness.model.network.division import quiet_about_experiments
from likeness.model.network.transformer import AvatarTransformer3DModel
from likeness.training.stages import TrainingError

Precision = Literal["float32", "bfloat16"]
Division = Literal["copies", "shards"]


class Crew:
    """Who trains, and how weights and rows are divided among them.

    Args:
        division: every process has a copy of the weights (DDP) or a shard of them (FSDP2).
        precision: of the forward and its gradients; weights and their averages stay in float32.
        ulysses: processes that share the tokens of the same rows (context parallelism); those next
            to each other do, and such groups share the rows of a batch.

    Raises:
        TrainingError: the processes can't be divided so.

    """

    def __init__(
        self,
        *,
        division: Division = "copies",
        precision: Precision = "float32",
        ulysses: int = 1,
    ) -> None:
        for name, value, kinds in (
            ("division", division, Division),
            ("precision", precision, Precision),
        ):
            if value not in get_args(kinds):
                raise TrainingError(
                    f"training.{name} must be {' or '.join(get_args(kinds))}, got {value!r}"
                )
        self._state = PartialState(cpu=not torch.cuda.is_available())
        self.division: Division = division
        self.precision: Precision = precision
        self.ulysses = ulysses
        if ulysses < 1 or self.size % ulysses:
            raise TrainingError(
                f"training.ulysses = {ulysses} processes are to share tokens and {self.size} run: "
                "start a multiple of it by `torchrun --nproc-per-node`"
            )
        self._mesh: DeviceMesh | None = None

    @property
    def device(self) -> torch.device:
        """Where this process works."""
        return torch.device(self._state.device or "cpu")

    @property
    def size(self) -> int:
        """How many processes there are."""
        return self._state.num_processes

    @property
    def rank(self) -> int:
        """Number of this process, from 0; process 0 writes files."""
        return self._state.process_index

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    @property
    def groups(self) -> int:
        """How many groups of processes share the rows; each of one where none share tokens."""
        return self.size // self.ulysses

    def rows(self, batch: int) -> slice:
        """Which rows of a batch are this process's: those of its group.

        Raises:
            TrainingError: they can't be shared evenly.

        """
        if batch % self.groups:
            several = "processes" if self.ulysses == 1 else "groups of processes"
            raise TrainingError(
                f"training.batch = {batch} rows can't be shared evenly by {self.groups} {several}"
            )
        each, group = batch // self.groups, self.rank // self.ulysses
        return slice(group * each, (group + 1) * each)

    def divide(self, transformer: AvatarTransformer3DModel, tokens: tuple[int, int]) -> None:
        """Let the processes of a group share the tokens of its rows, in place, once.

        Gradients are still averaged over all processes: see ``model.network.division``.

        Args:
            transformer: whole until then.
            tokens: rows and columns of a frame.

        Raises:
            TrainingError: heads or tokens can't be shared by so many.

        """
        if self.ulysses == 1 or transformer.layout[1] == self.ulysses:
            return
        try:
            transformer.check_division(self.ulysses, tokens)
        except ModelError as error:
            raise TrainingError(f"training.{error}") from error
        cast(nn.Module, transformer).to(self.device)
        if self._mesh is None:
            self._mesh = init_device_mesh(
                self.device.type,
                (self.groups, 1, self.ulysses),
                mesh_dim_names=("rows", "ring", "ulysses"),
            )
        with quiet_about_experiments():
            transformer.enable_parallelism(
                config=ContextParallelConfig(ulysses_degree=self.ulysses, mesh=self._mesh)
            )

    def shard(self, transformer: nn.Module) -> None:
        """Divide the weights where they are to be divided: block by block, in place."""
        cast(nn.Module, transformer).to(self.device)
        divided = isinstance(transformer, FSDPModule)
        if self.division == "copies" or self.size == 1 or divided:
            return
        mesh = init_device_mesh(self.device.type, (self.size,))
        # Activations keep their own types: autocast decides on them.
        policy = MixedPrecisionPolicy()
        for block in transformer.get_submodule("blocks").children():
            fully_shard(block, mesh=mesh, mp_policy=policy)
        fully_shard(transformer, mesh=mesh, mp_policy=policy)

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Let gradients be averaged over the processes."""
        if self.size == 1 or self.division == "shards":
            return objective
        devices = [self.device.index] if self.device.type == "cuda" else None
        # A stage that teaches no speech leaves the weights of the ear without a gradient.
        return DistributedDataParallel(
            objective, device_ids=devices, find_unused_parameters=True, broadcast_buffers=False
        )

    def casting(self) -> AbstractContextManager[Any]:
        """Within it, matrices are multiplied in the precision."""
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"
        )

    def mean(self, value: Tensor) -> Tensor:
        """Average over the processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether it holds in any process, alike in all."""
        return bool(self.mean(torch.tensor(float(flag), device=self.device)) > 0)

    def wait(self) -> None:
        """Go on when all have come here."""
        self._state.wait_for_everyone()
