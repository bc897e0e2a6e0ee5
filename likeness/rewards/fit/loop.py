import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from likeness.store.errors import LikenessError
from likeness.store.progress import Progress


class FitError(LikenessError):
    """Settings or data that nothing can be fitted with."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How long and how fast a small model learns.

    Attributes:
        steps: batches seen.
        batch: examples in a batch.
        lr: peak learning rate of AdamW; warmed up over a twentieth, then a cosine to 0.
        seed: of the weights, batches and defects.

    """

    steps: int
    batch: int
    lr: float
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise FitError(f"rewards.fit.{name} must be positive, got {getattr(self, name)}")


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Make a module with its own initial weights, leaving torch's random state alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def fit(
    module: nn.Module,
    loss: Callable[[], Tensor],
    config: FitConfig,
    progress: Progress,
    note: str,
) -> None:
    """Minimise `loss()`, which draws its own batch, over the module's parameters."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.lr, weight_decay=0.02)
    module.train()
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * schedule(step, config.steps)
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        progress(step + 1, config.steps, f"{note}: loss {value.item():.3f}")
    module.eval()


def schedule(step: int, steps: int) -> float:
    """Share of the peak rate at a step: linear warm-up, then a cosine to 0."""
    warm = max(1, steps // 20)
    return min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * step / steps)) / 2
