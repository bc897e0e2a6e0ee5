"""What `algorithm` of a recipe may be, and who carries it out.

A new one takes its name in `Recipe.algorithm`, its table in `Recipe`, and a line here.
"""

from collections.abc import Callable
from importlib import import_module

from likeness.alignment.masked_dpo import Outcome
from likeness.alignment.recipe import Recipe
from likeness.cli.loop.studio import Studio
from likeness.rewards.sets import RewardSet
from likeness.store.progress import Progress

Launch = Callable[[Studio, RewardSet, Recipe, str, Progress], Outcome]
"""Called with the base at work, the judges, the recipe, the run's name and a bar; goes on with a
run that is there already, and leaves its checkpoint in the workspace."""

ALGORITHMS: dict[str, str] = {
    "masked_dpo": "likeness.cli.loop.alignment:align_on_pairs",
    "online_dpo": "likeness.cli.loop.online:align_in_rounds",
    "grpo": "likeness.cli.loop.rollouts:align_on_rewards",
    "nft": "likeness.cli.loop.rollouts:align_on_rewards",
}


def launcher(algorithm: str) -> Launch:
    """Import who carries out an algorithm."""
    module, function = ALGORITHMS[algorithm].split(":")
    return getattr(import_module(module), function)
