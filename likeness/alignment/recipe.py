"""The recipe of an alignment: from scored samples to a checkpoint."""

from dataclasses import dataclass, field
from typing import Literal

from likeness.alignment.grpo.forward_process import NFT
from likeness.alignment.grpo.policy_gradient import GRPO
from likeness.alignment.grpo.settings import RolloutConfig
from likeness.alignment.masked_dpo import MaskedDPOConfig
from likeness.alignment.masks import MaskConfig
from likeness.alignment.mining import MiningConfig
from likeness.store.recipes import RecipeBook


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One alignment, from scored samples to a checkpoint: a table for each step.

    Left out, a value is the paper's (TAVR A.1), or what its own documentation says.

    Attributes:
        algorithm: which of them aligns: "masked_dpo" on pairs, with the tables mining, masks and
            masked_dpo; "grpo" or "nft" on rewards, with the tables rollouts and its own.

    """

    algorithm: Literal["masked_dpo", "grpo", "nft"] = "masked_dpo"
    mining: MiningConfig = field(default_factory=MiningConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    masked_dpo: MaskedDPOConfig = field(default_factory=MaskedDPOConfig)
    rollouts: RolloutConfig = field(default_factory=RolloutConfig)
    grpo: GRPO = field(default_factory=GRPO)
    nft: NFT = field(default_factory=NFT)


RECIPES = RecipeBook(config=Recipe, package="likeness.alignment", root="alignment")
