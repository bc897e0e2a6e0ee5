"""Muon for matrices, AdamW for the rest (Avatar V's optimisers), in the weights' own precision.

torch.optim.Muon orthogonalises in bfloat16, which crawls on a CPU; this one stays in float32 and
takes matrices of one shape through the Newton-Schulz iteration as one batch.
"""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # quintic iteration of Jordan et al. 2024
ITERATIONS = 5


def orthogonalise(matrices: Tensor) -> Tensor:
    """Push the singular values of (N, R, C) towards 1 (to about 0.7..1.2)."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.transpose(1, 2)
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; the update's RMS is 0.2 as AdamW's would be (Liu et al. 2025).

    Of a matrix that is divided among processes each gathers the whole update, orthogonalises it
    and keeps its part.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        # As a group, which may be empty: a stage that trains an adapter alone has no matrices.
        super().__init__([{"params": list(parameters)}], settings)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[parameter.shape].append(parameter)
            for shape, parameters in by_shape.items():
                updates = orthogonalise(torch.stack([self._push(p, group) for p in parameters]))
                scale = 0.2 * max(shape) ** 0.5
                for parameter, update in zip(parameters, updates, strict=True):
                    if group["weight_decay"]:
                        parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(divided(update, parameter), alpha=-group["lr"] * scale)

    def _push(self, parameter: nn.Parameter, group: dict) -> Tensor:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        assert parameter.grad is not None
        state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
        update = parameter.grad.lerp(state["momentum"], group["momentum"])
        return whole(update)


def whole(tensor: Tensor) -> Tensor:
    """Gather a tensor that is divided among processes; all of them must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def divided(tensor: Tensor, like: Tensor) -> Tensor:
    """Divide a tensor as another one is, or leave it whole."""
    if isinstance(like, DTensor):
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
    return tensor.to(like.device)


def split_parameters(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Matrices inside the blocks (for Muon), and everything else (for AdamW).

    The factors of an adapter are no matrices in this sense: their product is.
    """
    matrices, rest = [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        inside = name.startswith("blocks.") and parameter.dim() == 2 and "lora_" not in name
        (matrices if inside else rest).append(parameter)
    return matrices, rest
