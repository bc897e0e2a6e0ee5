"""How a generator samples: by which sampler, in how many steps, under what guidance."""

from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor

from likeness.model.config import GeneratorConfig, ModelError
from likeness.model.sampling.solvers import Guidance, Velocity, euler, unipc
from likeness.model.sampling.stochastic import CPS, DanceSDE, FlowSDE, StochasticSampler
from likeness.store.progress import Progress


class Solver(Protocol):
    """A deterministic sampler."""

    def __call__(
        self, velocity: Velocity, noise: Tensor, *, steps: int, shift: float, progress: Progress
    ) -> Tensor:
        """Go from noise (B, ...) to latents (B, ...)."""
        ...


SAMPLERS: dict[str, Solver | StochasticSampler] = {
    "unipc": unipc,
    "euler": euler,
    "flow_sde": FlowSDE(),
    "dance": DanceSDE(),
    "cps": CPS(),
}


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """Settings of one generation.

    Attributes:
        sampler: name in SAMPLERS, or a stochastic one with settings of its own.
        steps: of the sampler.
        shift: of its times; above 1 more steps go to high noise.
        guidance: scales of the branches; each branch is one more forward a step.
        one_by_one: run the guidance branches one after the other and not in one batch: the same
            clip from a third of the activations (for three branches), in more and smaller calls.

    """

    sampler: str | StochasticSampler = "unipc"
    steps: int = 24
    shift: float = 1.0
    guidance: Guidance = field(default_factory=Guidance)
    one_by_one: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.sampler, str) and self.sampler not in SAMPLERS:
            raise ModelError(f"sampler must be one of {', '.join(SAMPLERS)}, got {self.sampler!r}")
        if self.steps < 1:
            raise ModelError(f"steps must be positive, got {self.steps}")
        if not self.shift > 0:
            raise ModelError(f"shift must be positive, got {self.shift}")
        if isinstance(self.sampler, StochasticSampler):
            self.sampler.stochastic_steps(self.steps)

    @classmethod
    def of(cls, config: GeneratorConfig) -> "SamplerSettings":
        """Take a preset's."""
        guidance = Guidance(
            audio=config.audio_guidance,
            text=config.text_guidance,
            reference=config.reference_guidance,
            movement=config.movement_guidance,
        )
        return cls(
            sampler=config.sampler,
            steps=config.steps,
            shift=config.flow_shift,
            guidance=guidance,
        )

    @property
    def method(self) -> Solver | StochasticSampler:
        """What the sampler's name stands for."""
        return SAMPLERS[self.sampler] if isinstance(self.sampler, str) else self.sampler
