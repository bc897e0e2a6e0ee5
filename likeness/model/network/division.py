"""Context parallelism: each process has its share of every stream's tokens.

A clip's frames are divided inside each frame and not between frames, so that every process has the
same frames, and modulation by rows and audio by frames stay as they are. Keys and values meet in
self-attention alone (Ulysses: Jacobs et al. 2023, arXiv 2309.14509), where their order is free.
"""

from typing import Any, ClassVar

import torch
from diffusers.models._modeling_parallel import (
    ContextParallelConfig,
    ContextParallelInput,
    ContextParallelOutput,
    ParallelConfig,
)
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from likeness.model.config import ModelError


class Divided:
    """What a transformer of diffusers needs for ``enable_parallelism``, on a CPU as well.

    Attributes:
        share: hands on what it is given; under context parallelism, this process's share of it
            along dimension 1.

    """

    _cp_plan: ClassVar[dict[str, Any]] = {
        "share": {"input": ContextParallelInput(split_dim=1)},
        "proj_out": ContextParallelOutput(gather_dim=2, expected_dims=4),
    }
    _parallel_config: ParallelConfig | None
    share: nn.Identity

    @property
    def layout(self) -> tuple[int, int]:
        """Number of this process and how many share the tokens: (0, 1) when alone."""
        inside = self._parallel_config and self._parallel_config.context_parallel_config
        return (inside._rank, inside.ulysses_degree or 1) if inside else (0, 1)

    def share_of(self, x: Tensor, dim: int) -> Tensor:
        """Share of x along a dimension."""
        if self.layout[1] == 1:
            return x
        return self.share(x.transpose(dim, 1)).transpose(dim, 1)

    def _resolve_parallel_config(self, config: Any) -> ParallelConfig:
        # diffusers' own asks for the accelerator, of which a machine may have none.
        if isinstance(config, ContextParallelConfig):
            config = ParallelConfig(context_parallel_config=config)
        inside = getattr(config, "context_parallel_config", None)
        if inside is None or inside.ring_degree != 1 or inside.ulysses_anything:
            raise ModelError("the transformer is divided by ulysses_degree alone")
        if not torch.distributed.is_initialized():
            raise ModelError(
                "context parallelism needs several processes: start them by "
                f"`torchrun --nproc-per-node {inside.ulysses_degree}`"
            )
        if torch.distributed.get_world_size() != inside.ulysses_degree:
            raise ModelError(
                f"{torch.distributed.get_world_size()} processes run and "
                f"{inside.ulysses_degree} are to share the tokens: start as many"
            )
        parameter = next(self.parameters())  # type: ignore[attr-defined] it is mixed into a module
        mesh = inside.mesh or init_device_mesh(
            parameter.device.type, inside.mesh_shape, mesh_dim_names=inside.mesh_dim_names
        )
        rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
        config.setup(rank, world, parameter.device, mesh=mesh)
        self._parallel_config = config
        return config
