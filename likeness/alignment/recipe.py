"""The recipe of an alignment: from scored samples to a checkpoint."""

from dataclasses import dataclass, field

from likeness.alignment.masked_dpo import MaskedDPOConfig
from likeness.alignment.masks import MaskConfig
from likeness.alignment.mining import MiningConfig
from likeness.store.recipes import RecipeBook


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One alignment, from scored samples to a checkpoint: a table for each step.

    Left out, a value is the paper's (TAVR A.1), or what its own documentation says.
    """

    mining: MiningConfig = field(default_factory=MiningConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    masked_dpo: MaskedDPOConfig = field(default_factory=MaskedDPOConfig)


RECIPES = RecipeBook(config=Recipe, package="likeness.alignment", root="alignment")
