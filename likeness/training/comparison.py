"""Trainings to be compared: arms that share stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from likeness.store.recipes import RecipeBook
from likeness.training.stages import Stage, TrainingError
from likeness.training.trainer import TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms of an ablation of training.

    Attributes:
        stages: by name.
        arms: by name, the stages of each in order. Arms that begin alike share what they begin
            with: it is trained once.
        seeds: how many trainings of each arm there are; their weights and draws differ.

    """

    stages: Mapping[str, Stage] = field(default_factory=dict)
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise TrainingError(f"comparison.seeds must be positive, got {self.seeds}")
        for arm, names in self.arms.items():
            unknown = [name for name in names if name not in self.stages]
            if unknown or not names:
                said = f"has no stage {unknown[0]}" if unknown else "has no stages"
                raise TrainingError(f"comparison.arms.{arm} {said}")

    def prefixes(self) -> list[tuple[str, ...]]:
        """Chains of stages to train, each after the one it goes on from."""
        chains = [names[: end + 1] for names in self.arms.values() for end in range(len(names))]
        return list(dict.fromkeys(chains))

    def last(self, chain: tuple[str, ...], seed: int) -> TrainingRecipe:
        """Give the recipe of a chain's last stage."""
        # A stage of its own draws: the tenth stage of a seed is the first of the next.
        place = 10 * seed + len(chain) - 1
        return TrainingRecipe(stages={chain[-1]: self.stages[chain[-1]]}, seed=place)

    @property
    def steps(self) -> int:
        """Of all trainings."""
        each = sum(self.stages[chain[-1]].steps for chain in self.prefixes())
        return self.seeds * each


COMPARISONS = RecipeBook(
    config=Comparison, package="likeness.training", root="comparison", folder="comparisons"
)
