"""A policy that draws samples and is small enough for unit tests."""

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from stand_in import SmallAdapter
from torch import Tensor, nn

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.interface import Plan
from likeness.alignment.grpo.judging import Asked, AskedSet, GroupKey, Judgement
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RewardTerm, RolloutConfig
from likeness.model.sampling.settings import SamplerSettings
from likeness.model.sampling.solvers import Guidance, Time, Velocity, seeded_noise, shifted_times
from likeness.model.sampling.stochastic import StochasticSampler, Trajectory, rollout
from likeness.store.records import Run
from likeness.store.runs import RunFolder

SHAPE = (2, 2, 3, 3)  # C, T, h, w
PRESET = SamplerSettings(
    sampler="euler", steps=6, shift=3.0, guidance=Guidance(audio=1.8, text=2.0)
)


@dataclass(frozen=True)
class Vector:
    """A condition: (B, 4)."""

    vector: Tensor


class Roller(SmallAdapter):
    """One hidden layer a latent cell, a reference stream of one matrix, an adapter on both."""

    heard_width = 4

    def __init__(self, seed: int = 0, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.inward = nn.Parameter(torch.randn(8, SHAPE[0], generator=draw).to(dtype) * 0.5, False)
        self.outward = nn.Parameter(torch.randn(SHAPE[0], 8, generator=draw).to(dtype) * 0.5, False)
        self.heard = nn.Parameter(torch.randn(8, 4, generator=draw).to(dtype), False)
        self.down: nn.Parameter | None = None
        self.up: nn.Parameter | None = None
        self.scale = 0.0
        self.encoded = 0
        self.forwards = 0

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.inward.numpy().tobytes()).hexdigest()

    @property
    def sampler_settings(self) -> SamplerSettings:
        return PRESET

    def _adapted(self) -> Tensor:
        if self.up is None or self.down is None or not self.scale:
            return torch.zeros_like(self.heard)
        return self.scale * self.up @ self.down

    def encode_reference(self, condition: Vector) -> Tensor:
        self.encoded += 1
        return condition.vector.to(self.heard) @ (self.heard + self._adapted()).T

    def velocity(self, z_t: Tensor, t: Tensor, condition: Vector) -> Tensor:
        return self._field(z_t, t, self.encode_reference(condition), 1.0)

    def _field(self, z: Tensor, t: Tensor, heard: Tensor, loud: float) -> Tensor:
        self.forwards += 1
        weight = self.inward + self._adapted()[:, : SHAPE[0]]
        hidden = torch.einsum("hc,bctyx->bhtyx", weight, z.to(weight))
        bias = loud * heard + t[:, None].to(weight)
        hidden = torch.tanh(hidden + bias[:, :, None, None, None])
        return torch.einsum("ch,bhtyx->bctyx", self.outward, hidden).to(z)

    def guided_velocity(
        self, condition: Vector, settings: SamplerSettings, *, each: int, shared: Tensor
    ) -> Velocity:
        heard = shared.repeat_interleave(each, 0)
        loud = {"full": 1.0, "no_audio": 0.5, "neither": 0.0}

        def velocity(z: Tensor, t: Time) -> Tensor:
            times = torch.as_tensor(t, dtype=z.dtype).expand(len(z))
            branches = settings.guidance.branches
            return settings.guidance.combine(
                {name: self._field(z, times, heard, loud[name]) for name in branches}
            )

        return velocity

    @torch.no_grad()
    def sample(
        self, condition: Vector, *, seeds: list[int], settings: SamplerSettings, shared: Tensor
    ) -> Tensor:
        method = settings.method
        assert not isinstance(method, StochasticSampler)
        velocity = self.guided_velocity(condition, settings, each=len(seeds), shared=shared)
        noise = self._noise(seeds)
        return method(
            velocity, noise, steps=settings.steps, shift=settings.shift, progress=lambda *_: None
        )

    @torch.no_grad()
    def rollout(
        self,
        condition: Vector,
        *,
        seeds: list[int],
        settings: SamplerSettings,
        step_seeds: list[int],
        shared: Tensor,
    ) -> Trajectory:
        method = settings.method
        assert isinstance(method, StochasticSampler)
        return rollout(
            self.guided_velocity(condition, settings, each=len(seeds), shared=shared),
            self._noise(seeds),
            method,
            times=shifted_times(settings.steps, settings.shift),
            seeds=step_seeds,
        )

    def _noise(self, seeds: list[int]) -> Tensor:
        return seeded_noise(SHAPE, seeds).to(self.inward.dtype)


class Brightness:
    """Rewards whose truth is plain: `bright` is the mean, `calm` minus the spread."""

    names = ("bright", "calm")
    hash = "b" * 64

    def __call__(self, key: GroupKey, latents: Tensor) -> Judgement:
        rows = latents.flatten(1).double()
        return Judgement(values={"bright": rows.mean(1), "calm": -rows.std(1)})


def asked_of(count: int = 3) -> AskedSet:
    draw = torch.Generator().manual_seed(7)
    return AskedSet(
        conditions=tuple(
            Asked(
                key=GroupKey(f"person{i}", f"speech{i}", "scene"),
                condition=Vector(torch.randn(1, 4, generator=draw)),
            )
            for i in range(count)
        )
    )


def adapted(dtype: torch.dtype = torch.float64, seed: int = 0) -> Roller:
    """A policy whose adapter already differs from its base."""
    policy = Roller(seed, dtype)
    policy.add_lora(rank=2, alpha=2.0, seed=seed)
    assert policy.up is not None
    draw = torch.Generator().manual_seed(seed + 1)
    policy.up.data = torch.randn(policy.up.shape, generator=draw).to(dtype) * 0.3
    return policy


def config_of(**changes: object) -> RolloutConfig:
    values: dict[str, object] = {
        "rewards": {"bright": RewardTerm()},
        "rollouts": 8,
        "groups": 4,
        "group": 4,
        "updates": 2,
        "lora_rank": 2,
        "lora_alpha": 2.0,
        "lr": 1e-2,
        "save_every": 3,
    }
    return RolloutConfig(**(values | changes))  # type: ignore[arg-type]


def plan_of(algorithm: object, **changes: object) -> Plan:
    return Plan(algorithm=algorithm, config=config_of(**changes))  # type: ignore[arg-type]


def run_record(name: str = "first") -> Run:
    return Run(
        id=name,
        kind="grpo",
        recipe={"rollouts": {"group": 4}},
        seeds=(0,),
        commit="0" * 40,
        dataset_hash="d" * 64,
    )


def cells(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, shape))


QUICK = {
    "grpo": GRPO(sde_steps=2, sde_range=4, clip=1e-2, kl=1e-2),
    "nft": NFT(draws=2, old_decay=0.5),
}


def new_run(folder: Path) -> RunFolder:
    return RunFolder.create(folder, run_record(folder.name))


class Judge(Brightness):
    """Brightness that some calls change."""

    def __init__(
        self, change: Callable[[int, Judgement], Judgement] = lambda call, judgement: judgement
    ) -> None:
        self.change = change
        self.calls = 0

    def __call__(self, key: GroupKey, latents: Tensor) -> Judgement:
        self.calls += 1
        return self.change(self.calls, super().__call__(key, latents))
