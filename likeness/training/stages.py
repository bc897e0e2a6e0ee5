"""A stage of training: what is taught, from which pairs of clips, and how fast."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from likeness.model.adapters import LORA_TARGETS
from likeness.model.config import GeneratorConfig
from likeness.model.sampling.solvers import Guidance
from likeness.store.errors import LikenessError
from likeness.training.auxiliary.config import AuxiliaryConfig
from likeness.training.batch import Pairing, RegionWeights
from likeness.training.flow_matching import Times
from likeness.training.movement import MovementShares

Teaches = Literal["text", "audio", "reference"]


class TrainingError(LikenessError):
    """A setting out of its range, or training that can't go on."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank adapter that learns in the place of the weights (Hu et al. 2021, 2106.09685).

    Attributes:
        rank: of its product.
        alpha: over the rank it is the product's factor.
        targets: ends of the names of the linear layers that get one.

    """

    rank: int = 16
    alpha: float = 16.0
    targets: tuple[str, ...] = LORA_TARGETS

    def __post_init__(self) -> None:
        for name in ("rank", "alpha"):
            if getattr(self, name) <= 0:
                raise TrainingError(
                    f"training.lora.{name} must be positive, got {getattr(self, name)}"
                )
        if not self.targets:
            raise TrainingError("training.lora.targets is empty: name layers, or leave lora out")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage (TAVR, section 4.1; Avatar V, section 4).

    Attributes:
        steps: optimiser steps.
        batch: rows a step, over all processes.
        accumulate: parts that a batch goes through in, one after the other, to save memory.
        teaches: "text" leaves out speech and reference (text-to-video), "audio" the reference
            (audio-to-video), "reference" nothing.
        pairing: reference and target from the "same" clip of a person (TAVR's pretraining, which
            alone copies), or from two clips ("cross").
        frames: video frames of a clip, 1 + 4k; None for the generator's. Short clips first teach
            what a person looks like for less.
        size: of a frame's shorter side in pixels, a multiple of 16; None for the data's.
        muon_lr: of the matrices within the blocks.
        adam_lr: of everything else.
        weight_decay: of both.
        warmup, decay: steps over which the learning rate rises, and at the end falls to zero;
            between them it is level, so runs of different lengths share their beginning to the bit.
        times: how times are drawn.
        time_location: of logit-normal times; above 0 more of them are near noise, where the clip
            takes its shape (long latents need it: Esser et al. 2024, section 5.3.2).
        time_floor: below this time the error counts as at it.
        ema: decay of the average of the weights that is kept.
        clip: largest norm of the gradient.
        reference_frames: lengths of the reference to draw from, each 1 + 4k (TAVR: 12 to 20).
        drop_text, drop_audio: share of rows trained without, for the two guidances.
        drop_reference, drop_reference_audio: share of rows without, so that "no reference" is a
            condition that the model knows (and a row of the board).
        continued: share of batches that go on from motion latents, as long clips do.
        motion_noise: these get noise of a level drawn from 0 to this, as generated ones have their
            faults.
        anchored: share of the continued batches with the global anchor for a background.
        regions: weight of the error by region.
        auxiliary: losses on the decoded face, beside flow matching (Avatar V's third stage).
        movement: what becomes of the rows' movement, for a generator with a movement stream (Avatar
            V's motion stream); None leaves it out.
        movement_weight: of the error of predicted movement beside that of the clip.
        drop_manner: share of rows that aren't shown how the person moves in the reference.
        distil: guidance to be learnt: the target is the guided velocity of the generator as it is
            at the stage's beginning, in several forwards, and what comes out needs one and no
            guidance (Avatar V's fourth stage, first half).
        lora: an adapter that learns instead of all weights; a movement stream still learns in full.
            Its weights are AdamW's, at ``adam_lr``. Merged when the stage ends; None for none.
        save_every: steps between saves.

    """

    steps: int = 4200
    batch: int = 16
    accumulate: int = 1
    teaches: Teaches = "reference"
    pairing: Pairing = "cross"
    frames: int | None = None
    size: int | None = None
    muon_lr: float = 4e-3
    adam_lr: float = 2e-3
    weight_decay: float = 0.0
    warmup: int = 50
    decay: int = 1200
    times: Times = "logit_normal"
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
    auxiliary: AuxiliaryConfig = field(default_factory=AuxiliaryConfig)
    movement: MovementShares | None = None
    movement_weight: float = 0.5
    drop_manner: float = 0.2
    distil: Guidance | None = None
    lora: Lora | None = None
    save_every: int = 200

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "save_every"):
            self._check(name, "positive", getattr(self, name) >= 1)
        for name in ("muon_lr", "adam_lr", "clip", "time_floor"):
            self._check(name, "positive", getattr(self, name) > 0)
        for name in ("weight_decay", "warmup", "decay", "motion_noise", "movement_weight"):
            self._check(name, "0 or more", getattr(self, name) >= 0)
        drops = ("drop_text", "drop_audio", "drop_reference", "drop_reference_audio")
        for name in (*drops, "drop_manner", "continued", "anchored", "ema"):
            self._check(name, "in 0..1", 0 <= getattr(self, name) <= 1)
        for name, choice in (("teaches", Teaches), ("pairing", Pairing), ("times", Times)):
            named = " or ".join(get_args(choice))
            self._check(name, named, getattr(self, name) in get_args(choice))
        good = all(n >= 1 and n % 4 == 1 for n in self.reference_frames)
        self._check("reference_frames", "numbers 1 + 4k", bool(self.reference_frames) and good)
        for name, base, rest in (("frames", 4, 1), ("size", 16, 0)):
            value = getattr(self, name)
            told = f"{rest} + {base}k" if rest else f"a multiple of {base}"
            self._check(name, told, value is None or (value >= 1 and value % base == rest))
        self._check("accumulate", "a divisor of batch", self.batch % self.accumulate == 0)

    def _check(self, name: str, wanted: str, good: bool) -> None:
        if not good:
            raise TrainingError(f"training.{name} must be {wanted}, got {getattr(self, name)}")

    def settled(self, config: GeneratorConfig) -> GeneratorConfig:
        """Change the generator's settings as the stage changes its weights."""
        if self.distil is None:
            return config
        return replace(config, audio_guidance=1.0, text_guidance=1.0, reference_guidance=1.0)

    def token_size(self, config: GeneratorConfig) -> tuple[int, int]:
        """Rows and columns of tokens of the stage's frames."""
        if self.size is None:
            return config.token_size
        scale = self.size / min(config.height, config.width)
        return round(config.height * scale / 16), round(config.width * scale / 16)

    def learning_rate(self, step: int) -> float:
        """Factor of the learning rates: up, level, then straight down to zero."""
        up = min(1.0, (step + 1) / max(1, self.warmup))
        down = min(1.0, (self.steps - step) / max(1, self.decay))
        return up * down
