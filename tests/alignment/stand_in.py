"""A policy small enough for unit tests; run as a script it trains one, to be killed."""

import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from likeness.alignment.masked_dpo import MaskedDPOConfig, train
from likeness.alignment.preference import PreferencePair, PreferenceSet
from likeness.store.records import Run
from likeness.store.runs import RunFolder

SHAPE = (3, 4, 5, 6)  # C, T, h, w


@dataclass(frozen=True)
class StandInConditioning:
    vector: Tensor  # (B, 8)

    @staticmethod
    def stack(conditions: "list[StandInConditioning]") -> "StandInConditioning":
        return StandInConditioning(torch.cat([c.vector for c in conditions]))

    def to(self, device: torch.device) -> "StandInConditioning":
        return StandInConditioning(self.vector.to(device))


class StandIn(nn.Module):
    """One hidden layer a latent cell, with a low-rank adapter on it."""

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.inward = nn.Parameter(torch.randn(8, SHAPE[0], generator=draw).to(dtype) * 0.5, False)
        self.outward = nn.Parameter(torch.randn(SHAPE[0], 8, generator=draw).to(dtype) * 0.5, False)
        self.down: nn.Parameter | None = None
        self.up: nn.Parameter | None = None
        self.scale = 0.0

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.inward.numpy().tobytes()).hexdigest()

    def velocity(self, z_t: Tensor, t: Tensor, condition: StandInConditioning) -> Tensor:
        weight = self.inward
        if self.down is not None and self.up is not None and self.scale:
            weight = weight + self.scale * self.up @ self.down
        hidden = torch.einsum("hc,bctyx->bhtyx", weight, z_t)
        bias = condition.vector.to(z_t.dtype) + t[:, None].to(z_t.dtype)
        return torch.einsum(
            "ch,bhtyx->bctyx", self.outward, torch.tanh(hidden + bias[:, :, None, None, None])
        )

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        dtype = self.inward.dtype
        self.down = nn.Parameter(torch.randn(rank, SHAPE[0], generator=draw).to(dtype))
        self.up = nn.Parameter(torch.zeros(8, rank, dtype=dtype))
        self.scale = alpha / rank

    @contextmanager
    def adapters_off(self) -> Iterator[None]:
        scale, self.scale = self.scale, 0.0
        try:
            yield
        finally:
            self.scale = scale

    def trainable(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.named_parameters() if p.requires_grad}

    def lora_state(self) -> dict[str, Tensor]:
        return {name: p.detach().clone() for name, p in self.trainable().items()}

    def load_lora(self, state: dict[str, Tensor]) -> None:
        self.load_state_dict(state, strict=False)


def make_pair(index: int, **changes: object) -> PreferencePair:
    draw = torch.Generator().manual_seed(1000 + index)
    values = {
        "id": f"pair{index}",
        "winner": torch.randn(SHAPE, generator=draw),
        "loser": torch.randn(SHAPE, generator=draw),
        "condition": StandInConditioning(torch.randn(1, 8, generator=draw)),
        "mask": torch.rand(1, *SHAPE[2:], generator=draw) < 0.5,
    }
    return PreferencePair(**(values | changes))  # type: ignore[arg-type]


def make_set(pairs: int = 5) -> PreferenceSet:
    return PreferenceSet(pairs=tuple(make_pair(i) for i in range(pairs)))


def make_run(name: str = "first") -> Run:
    return Run(
        id=name,
        kind="masked_dpo",
        recipe={"masked_dpo": {"beta": 500.0}},
        seeds=(0,),
        commit="0" * 40,
        dataset_hash="d" * 64,
    )


CONFIG = MaskedDPOConfig(
    beta=50.0,
    lr=1e-2,
    steps=24,
    batch=3,
    lora_rank=2,
    lora_alpha=2.0,
    save_every=5,
    log_every=4,
    anchor_outside=1.0,
    winner_penalty=0.5,
    mask_reduction="masked_mean",
)


def main(folder: Path, seconds_a_step: float) -> None:
    def slowly(done: int, total: int, note: str) -> None:
        print(done, flush=True)
        time.sleep(seconds_a_step)

    train(StandIn(), make_set(), CONFIG, RunFolder.open_or_create(folder, make_run()), slowly)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
