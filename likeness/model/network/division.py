"""Context parallelism: each process has its share of every stream's tokens.

A clip's frames are divided inside each frame and not between frames, so that every process has the
same frames, and modulation by rows and audio by frames stay as they are. Keys and values meet in
self-attention alone (Ulysses: Jacobs et al. 2023, arXiv 2309.14509), where their order is free.

Gradients: every process makes the whole output and the same loss of it. What goes backward through
an exchange is its exact adjoint, so each process finds its part of the gradient of the sum of these
losses, and the mean over the processes is the gradient of one loss, whatever was divided and
whatever all of them did alike (movement tokens, a refiner, losses on the decoded clip).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from diffusers.models._modeling_parallel import ContextParallelConfig, ParallelConfig
from diffusers.models.attention_dispatch import SeqAllToAllDim
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh

from likeness.model.config import ModelError

TOKENS, HEADS = 1, 2


class Divided:
    """What a transformer of diffusers needs for ``enable_parallelism``, on a CPU as well."""

    _cp_plan: ClassVar[dict[str, Any]] = {}  # `share_of` and `whole_of` divide and gather
    _parallel_config: ParallelConfig | None

    @property
    def layout(self) -> tuple[int, int]:
        """Number of this process and how many share the tokens: (0, 1) when alone."""
        inside = self._parallel_config and self._parallel_config.context_parallel_config
        return (inside._ulysses_local_rank or 0, inside.ulysses_degree or 1) if inside else (0, 1)

    def share_of(self, x: Tensor, dim: int) -> Tensor:
        """Share of x along a dimension."""
        place, count = self.layout
        return x.chunk(count, dim)[place]

    def whole_of(self, x: Tensor, dim: int) -> Tensor:
        """Put the shares of all processes together along a dimension."""
        group = group_of(self._parallel_config)
        return x if group is None else _Gather.apply(x, dim, group)

    def check_division(self, count: int, tokens: tuple[int, int]) -> None:
        """Refuse a number of processes that can't share frames of so many rows and columns.

        Raises:
            ModelError: it doesn't divide heads or tokens.

        """
        heads: int = self.config["num_attention_heads"]  # type: ignore[attr-defined] a mixin
        if heads % count or tokens[0] * tokens[1] % count:
            raise ModelError(
                f"ulysses must divide {heads} heads and {tokens[0]} x {tokens[1]} tokens of a "
                f"frame, got {count}"
            )

    def _resolve_parallel_config(self, config: Any) -> ParallelConfig:
        # diffusers' own asks for the accelerator, of which a machine may have none.
        if isinstance(config, ContextParallelConfig):
            config = ParallelConfig(context_parallel_config=config)
        inside = getattr(config, "context_parallel_config", None)
        if inside is None or inside.ring_degree != 1 or inside.ulysses_anything:
            raise ModelError("the transformer is divided by ulysses_degree alone")
        if not dist.is_initialized():
            raise ModelError(
                "context parallelism needs several processes: start them by "
                f"`torchrun --nproc-per-node {inside.ulysses_degree}`"
            )
        if inside.mesh is None and dist.get_world_size() != inside.ulysses_degree:
            raise ModelError(
                f"{dist.get_world_size()} processes run and "
                f"{inside.ulysses_degree} are to share the tokens: start as many"
            )
        parameter = next(self.parameters())  # type: ignore[attr-defined] it is mixed into a module
        mesh = inside.mesh or init_device_mesh(
            parameter.device.type, inside.mesh_shape, mesh_dim_names=inside.mesh_dim_names
        )
        rank, world = dist.get_rank(), dist.get_world_size()
        config.setup(rank, world, parameter.device, mesh=mesh)
        self._parallel_config = config
        return config


def group_of(config: ParallelConfig | None) -> dist.ProcessGroup | None:
    """Give the processes that share the tokens, or None without any."""
    inside = config and config.context_parallel_config
    return inside._ulysses_mesh.get_group() if inside else None


def heads_for_tokens(x: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Exchange a share of the tokens (B, N, heads, D) for a share of the heads of all tokens."""
    return SeqAllToAllDim.apply(group, x, HEADS, TOKENS)


def tokens_for_heads(x: Tensor, group: dist.ProcessGroup) -> Tensor:
    """Undo :func:`heads_for_tokens`."""
    return SeqAllToAllDim.apply(group, x, TOKENS, HEADS)


def gathered(x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
    """Put the shares of all processes together along a dimension, without gradients."""
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, x.contiguous(), group=group)
    return torch.cat(parts, dim)


@contextmanager
def quiet_about_experiments() -> Iterator[None]:
    """Keep diffusers from warning that parallelism and attention backends may change."""
    logger = logging.getLogger("diffusers.models.modeling_utils")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


class _Gather(torch.autograd.Function):
    """Gather; backward, what all processes make of a share is summed up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
        ctx.dim, ctx.group = dim, group
        return gathered(x, dim, group)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        # Not reduce_scatter: gloo has none for every type, and this happens once a forward.
        grad = grads[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(grad, group=ctx.group)
        share = grad.chunk(dist.get_world_size(ctx.group), ctx.dim)[dist.get_rank(ctx.group)]
        return share, None, None
