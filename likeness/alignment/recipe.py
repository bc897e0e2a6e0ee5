"""The recipe of an alignment: from scored samples to a checkpoint."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.guards import TrainingError
from likeness.alignment.masked_dpo import MaskedDPOConfig
from likeness.alignment.masks import MaskConfig
from likeness.alignment.mining import MiningConfig
from likeness.store.recipes import RecipeBook

Winner = Literal["generated", "real"]
Tracker = Literal["tensorboard", "wandb", "trackio"]


@dataclass(frozen=True, kw_only=True)
class PairConfig:
    """What is shown of a pair.

    Attributes:
        source: of the pairs, as the workspace keeps it; empty for those mined by `mining.reward`,
            "votes" for people's.
        winner: "generated", or "real" for the true clip in the winner's place, TAVR's worse
            variant (Table 5).
        shuffle: whether winner and loser are drawn by lot: the control that should do nothing.

    """

    source: str = ""
    winner: Winner = "generated"
    shuffle: bool = False

    def __post_init__(self) -> None:
        if self.winner not in get_args(Winner):
            raise TrainingError(
                f"alignment.pairs.winner must be generated or real, got {self.winner!r}"
            )


@dataclass(frozen=True, kw_only=True)
class OnlineConfig:
    """Rounds of sampling, scoring, pairing and training.

    Attributes:
        rounds: each begins with what the one before learnt, which is also its reference.
        samples: drawn for each condition of a round.
        steps: of the sampler; 0 for the preset's.
        conditions: of a round, taken in turn; 0 for all there are.
        seed: of the samples.

    """

    rounds: int = 4
    samples: int = 4
    steps: int = 0
    conditions: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for key, least in (("rounds", 1), ("samples", 2), ("steps", 0), ("conditions", 0)):
            if getattr(self, key) < least:
                raise TrainingError(
                    f"alignment.online.{key} must be {least} or more, got {getattr(self, key)}"
                )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One alignment, from scored samples to a checkpoint: a table for each step.

    Left out, a value is the paper's (TAVR A.1), or what its own documentation says.

    Attributes:
        algorithm: "masked_dpo" on the workspace's pairs; "online_dpo" on pairs that it draws
            itself, in rounds of `masked_dpo.steps` each; "grpo" or "nft" on rewards.
        mining: which samples make a pair.
        pairs: which pairs are taken, and what is shown of them.
        masks: where the preference is about.
        masked_dpo: the training.
        online: the rounds.
        rollouts: what "grpo" and "nft" draw, and by which rewards it is judged.
        grpo, nft: how they learn.
        trackers: that are told of the metrics too; their packages come from elsewhere.

    """

    algorithm: Literal["masked_dpo", "online_dpo", "grpo", "nft"] = "masked_dpo"
    mining: MiningConfig = field(default_factory=MiningConfig)
    pairs: PairConfig = field(default_factory=PairConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    masked_dpo: MaskedDPOConfig = field(default_factory=MaskedDPOConfig)
    online: OnlineConfig = field(default_factory=OnlineConfig)
    rollouts: RolloutConfig = field(default_factory=RolloutConfig)
    grpo: GRPO = field(default_factory=GRPO)
    nft: NFT = field(default_factory=NFT)
    trackers: tuple[Tracker, ...] = ()

    @property
    def source(self) -> str:
        """Of the pairs that it learns from."""
        return self.pairs.source or f"mined by {self.mining.reward}"


RECIPES = RecipeBook(config=Recipe, package="likeness.alignment", root="alignment")
