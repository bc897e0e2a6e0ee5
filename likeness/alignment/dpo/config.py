"""Settings of masked DPO and its variants."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from likeness.alignment.dpo.link import Link, Loss, Schedule, Ties
from likeness.alignment.guards import GuardConfig, TrainingError
from likeness.alignment.losses import Reduction

NAME = "alignment.masked_dpo"

Region = Literal["mask", "frame"]
Learns = Literal["lora", "full"]
Sync = Literal["never", "soft", "hard"]

_POSITIVE = ("beta", "lora_alpha", "lr", "grad_clip")
_NOT_NEGATIVE = ("lambda_mse", "lambda_dpo", "anchor_outside", "winner_penalty", "seed")
_COUNTS = ("lora_rank", "steps", "batch", "draws", "sync_every", "save_every", "log_every")
_CHOICES = {
    "loss": Loss,
    "ties": Ties,
    "beta_schedule": Schedule,
    "region": Region,
    "mask_reduction": Reduction,
    "learns": Learns,
    "sync": Sync,
}


@dataclass(frozen=True, kw_only=True)
class MaskedDPOConfig:
    """Settings of masked DPO; the defaults are TAVR's (A.1) wherever it states them.

    Attributes:
        beta: strength of the KL regularisation, for errors that are means. 500 is the paper's;
            a few minutes of a tiny model need 1000 to 2000.
        beta_schedule: "constant" as in practice; "linear" is 2 (1 - t), "bell" 6 t (1 - t).
        loss: "sigmoid" is the paper's, "ipo" and "hinge" are in `dpo.link`.
        label_smoothing: share of pairs taken to be the wrong way round.
        ties: "left_out" drops pairs that people found equal and counts them; "rao_kupper" and
            "davidson" learn from them by that likelihood.
        tie_rate: Rao-Kupper's k or Davidson's nu.
        lambda_mse: weight of flow matching on the winner over the whole frame: the anchor
            without which the model falls apart while z still grows.
        lambda_dpo: weight of the preference.
        region: "mask", or "frame" for the unmasked loss (TAVR Table 5).
        mask_reduction: "full_mean" divides the error inside the mask by the whole latent's size,
            "masked_mean" by the mask's: then beta means the same for small and large faces.
        anchor_outside: weight of the mean squared change outside the mask. The masked loss alone
            lets background and shoulders drift. Not in the paper: 0.
        winner_penalty: DPO-Positive's lambda: z falls where the winner's error rises above the
            reference's, against the usual failure of both errors rising. Not in the paper: 0.
        timesteps: lowest and highest t, drawn evenly; 1 is noise. Fine identity is decided at
            low t; at high t two samples of one condition look alike. The paper has all of them;
            a generator that predicts x0 needs a floor such as 0.1, for its error grows as 1 / t^2.
        draws: of (t, noise) for each pair of a step; the reference stream is still run once a pair.
        fixed_draws: of (t, noise) for each pair in the whole run, taken in turn; the reference
            model's predictions for them are then kept on disk. 0 draws anew at every step.
        learns: an adapter ("lora") or all weights ("full"), whose frozen copy is the reference.
        adapter: file of a trained adapter to go on from, whose frozen copy is the reference; its
            rank and alpha must be `lora_rank` and `lora_alpha`. Empty for a fresh one.
        sync: whether the reference follows the model (TR-DPO, Gorbatovski et al. 2024): "hard"
            copies it every `sync_every` steps, "soft" moves the reference by `sync_mix` of the way.
        sync_every: steps.
        sync_mix: of the soft kind, above 0 and at most 1.
        lora_rank: of the adapter (ours: the paper does not say).
        lora_alpha: the adapter is scaled by lora_alpha / lora_rank.
        lr: of AdamW, constant.
        steps: optimizer steps.
        batch: pairs a step; each costs two samples forward with and two without gradient.
        grad_clip: largest norm of the gradient.
        seed: of adapter, data order, timesteps and noise.
        save_every: steps between checkpoints.
        log_every: steps between rows that carry the norms of both terms' gradients, which cost
            two more backward passes.
        guards: when a run is told to look out, and when it ends.

    Raises:
        TrainingError: a value is out of its range.

    """

    beta: float = 500.0
    beta_schedule: Schedule = "constant"
    loss: Loss = "sigmoid"
    label_smoothing: float = 0.0
    ties: Ties = "left_out"
    tie_rate: float = 3.0
    lambda_mse: float = 1.0
    lambda_dpo: float = 2.0
    region: Region = "mask"
    mask_reduction: Reduction = "full_mean"
    anchor_outside: float = 0.0
    winner_penalty: float = 0.0
    timesteps: tuple[float, float] = (0.0, 1.0)
    draws: int = 1
    fixed_draws: int = 0
    learns: Learns = "lora"
    adapter: str = ""
    sync: Sync = "never"
    sync_every: int = 512
    sync_mix: float = 0.6
    lora_rank: int = 16
    lora_alpha: float = 16.0
    lr: float = 1.5e-6
    steps: int = 400
    batch: int = 8
    grad_clip: float = 1.0
    seed: int = 0
    save_every: int = 50
    log_every: int = 10
    guards: GuardConfig = field(default_factory=GuardConfig)

    def __post_init__(self) -> None:
        for key in _POSITIVE:
            self._require(getattr(self, key) > 0, key, "positive")
        for key in (*_NOT_NEGATIVE, "fixed_draws"):
            self._require(getattr(self, key) >= 0, key, "0 or more")
        for key in _COUNTS:
            self._require(getattr(self, key) >= 1, key, "1 or more")
        for key, kinds in _CHOICES.items():
            known = get_args(kinds)
            if getattr(self, key) not in known:
                raise TrainingError(
                    f"{NAME}.{key} must be {' or '.join(known)}, got {getattr(self, key)!r}"
                )
        low, high = self.timesteps
        self._require(0 <= low < high <= 1, "timesteps", "two numbers rising within 0..1")
        self._require(0 <= self.label_smoothing < 0.5, "label_smoothing", "in 0..0.5, below 0.5")
        self._require(0 < self.sync_mix <= 1, "sync_mix", "above 0 and at most 1")
        least = 1 if self.ties == "rao_kupper" else 0
        self._require(self.tie_rate > least, "tie_rate", f"above {least} for {self.ties}")
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        if self.ties != "left_out" and self.loss != "sigmoid":
            raise TrainingError(
                f"{NAME}.ties = {self.ties} has a likelihood of its own, which goes with loss = "
                f"sigmoid, got {self.loss}; leave the ties out"
            )
        if self.loss == "ipo" and self.beta_schedule != "constant":
            raise TrainingError(
                f"{NAME}.loss = ipo wants a margin of 1 / (2 beta), which beta_schedule = "
                f"{self.beta_schedule} makes infinite at its ends; take constant"
            )
        if self.fixed_draws and self.sync != "never":
            raise TrainingError(
                f"{NAME}.fixed_draws keeps the reference's predictions, which sync = {self.sync} "
                "makes stale; take one of them"
            )
        if self.fixed_draws % self.draws:
            raise TrainingError(
                f"{NAME}.fixed_draws must be a multiple of draws = {self.draws}, got "
                f"{self.fixed_draws}"
            )
        if self.region == "frame" and self.anchor_outside:
            raise TrainingError(
                f"{NAME}.anchor_outside holds what is outside the mask; with region = frame there "
                "is nothing outside"
            )
        if self.adapter and self.learns == "full":
            raise TrainingError(
                f"{NAME}.adapter is gone on from with learns = lora, got full; merge it into the "
                "checkpoint to train all weights"
            )

    def _require(self, good: bool, key: str, wanted: str) -> None:
        if not good:
            raise TrainingError(f"{NAME}.{key} must be {wanted}, got {getattr(self, key)}")

    @property
    def link(self) -> Link:
        """How z becomes a loss."""
        return Link(
            loss=self.loss,
            label_smoothing=self.label_smoothing,
            ties=self.ties,
            tie_rate=self.tie_rate,
        )
