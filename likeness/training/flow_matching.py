"""Flow-matching training of the generator (TAVR eq. 6)."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from likeness.model.conditioning import Conditioning
from likeness.model.config import ModelError
from likeness.model.generator import Generator
from likeness.store.atomic import replacing
from likeness.store.progress import Progress, silent
from likeness.training.muon import Muon, split_parameters
from likeness.training.talking_set import BatchMaker, RegionWeights, TalkingSet


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of a flow-matching run.

    Attributes:
        reference_frames: lengths of the reference to draw from, each 1 + 4k (the paper: 12 to 20).
        drop_text, drop_audio: share of rows trained without, for the two guidances.
        drop_reference, drop_reference_audio: share of rows without, so that "no reference" is a
            condition the model knows (and a row of the board).
        continued: share of batches that go on from motion latents, as long clips do.
        motion_noise: these get noise of a level drawn from 0 to this, as generated ones have their
            faults.
        anchored: share of the continued batches with the global anchor for a background.
        warmup, decay: steps over which the learning rate rises, and at the end falls to zero;
            between them it is level, so runs of different lengths share their beginning to the bit.
        time_location: of the logit-normal times; above 0 more of them are near noise, where the
            clip takes its shape (long latents need it: Esser et al. 2024, section 5.3.2).
        time_floor: below this time the error counts as at it. Predicting x0 and measuring velocity
            weighs the error by 1 / t^2, which would drown everything in the last touches of noise.
        ema: decay of the average of the weights that is kept.

    """

    steps: int = 4200
    batch: int = 16
    muon_lr: float = 4e-3
    adam_lr: float = 2e-3
    warmup: int = 50
    decay: int = 1200
    time_location: float = 0.8
    time_floor: float = 0.3
    ema: float = 0.998
    clip: float = 1.0
    reference_frames: tuple[int, ...] = (9, 13, 17)
    drop_text: float = 0.05
    drop_audio: float = 0.1
    drop_reference: float = 0.1
    drop_reference_audio: float = 0.1
    continued: float = 0.25
    motion_noise: float = 0.3
    anchored: float = 0.5
    regions: RegionWeights = field(default_factory=RegionWeights)
    save_every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise ModelError(f"training.{name} must be positive, got {getattr(self, name)}")
        shares = ("drop_text", "drop_audio", "drop_reference", "drop_reference_audio")
        for name in (*shares, "continued", "anchored"):
            if not 0 <= getattr(self, name) <= 1:
                raise ModelError(f"training.{name} must be in 0..1, got {getattr(self, name)}")

    def learning_rate(self, step: int) -> float:
        """Factor of the learning rates: up, level, then straight down to zero."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1, self.decay))
        return up * down


def region_weighted_error(velocity: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean squared error over (B, C, T, h, w), by a weight (B, 1, T, h, w) of mean about 1."""
    return ((velocity - target).square() * weight).mean()


def draw_times(batch: int, location: float, generator: torch.Generator) -> Tensor:
    """Draw times in 0.02..1, logit-normal with scale 1 (Esser et al. 2024)."""
    return (location + torch.randn(batch, generator=generator)).sigmoid().clamp(0.02, 1.0)


def drop_conditions(
    cond: Conditioning, config: TrainingConfig, generator: torch.Generator
) -> Conditioning:
    """Leave parts of the condition out at random, row by row."""
    chance = torch.rand(4, len(cond), generator=generator)
    return cond.without(
        text=chance[0] < config.drop_text,
        audio=chance[1] < config.drop_audio,
        reference=chance[2] < config.drop_reference,
        reference_audio=chance[3] < config.drop_reference_audio,
    )


def blur_motion(cond: Conditioning, most: float, generator: torch.Generator) -> Conditioning:
    """Add noise to the motion latents, of a level of 0 to ``most`` a row."""
    if cond.motion is None:
        return cond
    level = most * torch.rand(len(cond), 1, 1, 1, 1, generator=generator)
    noise = torch.randn(cond.motion.shape, generator=generator)
    return replace(cond, motion=cond.motion + level * noise)


class FlowMatching:
    """The state of a run: weights, their average, two optimisers and the step."""

    def __init__(self, generator: Generator, data: TalkingSet, config: TrainingConfig) -> None:
        self.generator = generator
        self.config = config
        self.maker = BatchMaker(data, generator)
        self.transformer = generator.transformer.train().requires_grad_(True)
        matrices, rest = split_parameters(self.transformer)
        self.muon = Muon(matrices, lr=config.muon_lr)
        self.adam = torch.optim.AdamW(rest, lr=config.adam_lr, betas=(0.9, 0.98), weight_decay=0.0)
        self.average = {n: p.detach().clone() for n, p in self.transformer.named_parameters()}
        self.step = 0

    def loss(self) -> Tensor:
        """Loss of this step's batch; everything random comes from (seed, step)."""
        rng = np.random.default_rng([self.config.seed, self.step])
        chance = torch.Generator().manual_seed(int(rng.integers(2**62)))
        config = self.config
        go_on, with_anchor = rng.random(2) < (config.continued, config.anchored)
        draw = self.maker.draw(
            rng,
            config.batch,
            list(config.reference_frames),
            motion=self.generator.config.motion_latents if go_on else 0,
            anchor=bool(go_on and with_anchor),
        )
        clean, cond, weight = self.maker.make(draw, config.regions)
        cond = blur_motion(cond, config.motion_noise, chance)
        cond = drop_conditions(cond, self.config, chance)
        t = draw_times(len(clean), self.config.time_location, chance)
        noise = torch.randn(clean.shape, generator=chance)
        s = t.view(-1, 1, 1, 1, 1)
        velocity = self.generator.velocity((1 - s) * clean + s * noise, t, cond)
        tamed = (s / s.clamp_min(self.config.time_floor)).square()
        return region_weighted_error(velocity, noise - clean, weight / weight.mean() * tamed)

    def update(self) -> float:
        """One optimiser step; returns the loss."""
        factor = self.config.learning_rate(self.step)
        for optimiser, lr in ((self.muon, self.config.muon_lr), (self.adam, self.config.adam_lr)):
            for group in optimiser.param_groups:
                group["lr"] = lr * factor
            optimiser.zero_grad(set_to_none=True)
        loss = self.loss()
        if not bool(torch.isfinite(loss)):
            raise ModelError(f"the loss is not finite at step {self.step}: the last save is good")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.transformer.parameters(), self.config.clip)
        self.muon.step()
        self.adam.step()
        self.step += 1
        decay = min(self.config.ema, self.step / (self.step + 10))
        with torch.no_grad():
            for name, parameter in self.transformer.named_parameters():
                self.average[name].lerp_(parameter, 1 - decay)
        return loss.item()

    def save(self, path: Path) -> None:
        """Write the whole state, at once or not at all."""
        state = {
            "config": repr(sorted(asdict(self.config).items())),
            "step": self.step,
            "weights": self.transformer.state_dict(),
            "average": self.average,
            "muon": self.muon.state_dict(),
            "adam": self.adam.state_dict(),
        }
        with replacing(path) as partial:
            torch.save(state, partial)

    def load(self, path: Path) -> None:
        """Continue from :meth:`save`; a state of other settings is refused."""
        state = torch.load(path, weights_only=True)
        if state["config"] != repr(sorted(asdict(self.config).items())):
            raise ModelError(
                f"{path} was made with other training settings: remove it to start anew"
            )
        self.step = state["step"]
        self.transformer.load_state_dict(state["weights"])
        self.average = state["average"]
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


def train(
    generator: Generator,
    data: TalkingSet,
    config: TrainingConfig,
    *,
    state: Path,
    log: Callable[[int, float], None] = lambda step, loss: None,
    progress: Progress = silent,
) -> None:
    """Train the transformer in place and leave it with the averaged weights.

    Killed and started again with the same ``state`` file it goes on from the last save, and ends
    with the same weights to the last bit.
    """
    run = FlowMatching(generator, data, config)
    if state.exists():
        run.load(state)
    while run.step < config.steps:
        loss = run.update()
        log(run.step, loss)
        progress(run.step, config.steps, f"loss {loss:.3f}")
        if run.step % config.save_every == 0 or run.step == config.steps:
            run.save(state)
    use_average(run)


def use_average(run: FlowMatching) -> None:
    """Put the averaged weights into the generator, ready to generate."""
    with torch.no_grad():
        for name, parameter in run.transformer.named_parameters():
            parameter.copy_(run.average[name])
    run.transformer.eval().requires_grad_(False)
