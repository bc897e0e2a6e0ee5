"""A policy small enough for unit tests; run as a script it trains one, to be killed."""

import hashlib
import sys
import time
from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True)
class StandInReference:
    """What is heard of a condition, computed with the weights that learn."""

    bias: Tensor  # (B, 8)

    def repeat(self, seen: Sequence[bool]) -> "StandInReference":
        return StandInReference(self.bias.repeat(len(seen), 1))


class SmallAdapter(nn.Module):
    """A low-rank adapter of a policy of one hidden layer, as the loops handle it."""

    inward: nn.Parameter
    heard_width: int
    down: nn.Parameter | None
    up: nn.Parameter | None
    scale: float

    def add_lora(self, *, rank: int, alpha: float, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        dtype = self.inward.dtype
        self.down = nn.Parameter(torch.randn(rank, self.heard_width, generator=draw).to(dtype))
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


class StandIn(SmallAdapter):
    """One hidden layer a latent cell, with a low-rank adapter on it."""

    heard_width = SHAPE[0]

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.inward = nn.Parameter(torch.randn(8, SHAPE[0], generator=draw).to(dtype) * 0.5, False)
        self.outward = nn.Parameter(torch.randn(SHAPE[0], 8, generator=draw).to(dtype) * 0.5, False)
        self.down: nn.Parameter | None = None
        self.up: nn.Parameter | None = None
        self.scale = 0.0
        self.kept: dict[str, Tensor] | None = None
        self.encoded = 0  # conditions whose reference stream was run

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.inward.detach().numpy().tobytes()).hexdigest()

    @property
    def weight(self) -> Tensor:
        if self.down is not None and self.up is not None and self.scale:
            return self.inward + self.scale * self.up @ self.down
        return self.inward

    def encode_reference(self, condition: StandInConditioning) -> StandInReference:
        self.encoded += len(condition.vector)
        vector = condition.vector.to(self.inward.dtype)
        return StandInReference(vector + vector[:, : SHAPE[0]] @ self.weight.T)

    def velocity(
        self,
        z_t: Tensor,
        t: Tensor,
        condition: StandInConditioning,
        *,
        shared: StandInReference | None = None,
    ) -> Tensor:
        heard = self.encode_reference(condition) if shared is None else shared
        hidden = torch.einsum("hc,bctyx->bhtyx", self.weight, z_t)
        bias = heard.bias.to(z_t.dtype) + t[:, None].to(z_t.dtype)
        return torch.einsum(
            "ch,bhtyx->bctyx", self.outward, torch.tanh(hidden + bias[:, :, None, None, None])
        )

    def unfreeze(self) -> None:
        self.inward.requires_grad_(True)
        self.outward.requires_grad_(True)

    def keep_reference(self) -> None:
        self.kept = self.lora_state()

    @contextmanager
    def as_reference(self) -> Iterator[None]:
        if self.kept is None:
            with self.adapters_off():
                yield
            return
        learning = self.lora_state()
        self.load_lora(self.kept)
        try:
            yield
        finally:
            self.load_lora(learning)

    def sync_reference(self, mix: float) -> None:
        learning, kept = self.lora_state(), self.reference_state()
        self.kept = {name: t.lerp(learning[name], mix) for name, t in kept.items()}

    def reference_state(self) -> dict[str, Tensor]:
        assert self.kept is not None
        return {name: t.clone() for name, t in self.kept.items()}

    def load_reference(self, state: dict[str, Tensor]) -> None:
        self.kept = dict(state)


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
