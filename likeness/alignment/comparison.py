"""Alignments to be compared: arms that differ in their recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from likeness.alignment.guards import TrainingError
from likeness.alignment.recipe import RECIPES, Recipe
from likeness.store.recipes import RecipeBook, RecipeError


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to align.

    Attributes:
        label: name for people.
        recipe: packaged name or TOML file.
        settings: what is changed in it, such as `masked_dpo.region=frame`.

    """

    label: str = ""
    recipe: str = "demo_masked_dpo"
    settings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms of an ablation of alignment.

    Attributes:
        arms: by name.
        seeds: how many trainings of each arm there are; their draws differ.
        learnt: people to learn on, from the testbed's spare ones.
        noises: drawn of each of them for the pairs, each by both samplers of the demo.
        steps: of the sampler of what is judged; 0 for the preset's.

    """

    arms: Mapping[str, Arm] = field(default_factory=dict)
    seeds: int = 3
    learnt: int = 48
    noises: int = 2
    steps: int = 0

    def __post_init__(self) -> None:
        for key, least in (("seeds", 1), ("learnt", 2), ("noises", 1), ("steps", 0)):
            if getattr(self, key) < least:
                raise TrainingError(
                    f"comparison.{key} must be {least} or more, got {getattr(self, key)}"
                )
        if "none" in self.arms:
            raise TrainingError(
                "comparison.arms.none is the checkpoint as it is; take another name"
            )

    def recipe(self, arm: str, seed: int) -> Recipe:
        """Give the recipe of an arm, every chance in it drawn by this seed.

        Raises:
            RecipeError: it can't be read.
            LikenessError: a value is out of its range.

        """
        found = self.arms[arm]
        try:
            recipe = RECIPES.load(found.recipe, found.settings)
        except RecipeError as error:
            raise RecipeError(f"comparison.arms.{arm}: {error}") from error
        return replace(
            recipe,
            masked_dpo=replace(recipe.masked_dpo, seed=seed),
            rollouts=replace(recipe.rollouts, seed=seed),
        )


COMPARISONS = RecipeBook(
    config=Comparison, package="likeness.alignment", root="comparison", folder="comparisons"
)
