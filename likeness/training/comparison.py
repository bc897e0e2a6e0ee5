"""Trainings to be compared: arms that share stages."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from likeness.store.recipes import RecipeBook
from likeness.training.stages import Stage, TrainingError
from likeness.training.trainer import TrainingRecipe


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Stages one after the other.

    Attributes:
        stages: their names.
        drawn: begins with a transformer drawn anew; else with the checkpoint as it is.

    """

    stages: tuple[str, ...]
    drawn: bool = True

    @property
    def name(self) -> str:
        """Of its runs."""
        return "-".join(self.stages if self.drawn else ("tuned", *self.stages))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arms of an ablation of training.

    Attributes:
        stages: by name.
        arms: by name, the stages of each in order, from a transformer drawn anew. Arms that begin
            alike share what they begin with: it is trained once.
        tuned: by name, the stages of arms that go on from the checkpoint as it is.
        seeds: how many trainings of each arm there are; their weights and draws differ.

    """

    stages: Mapping[str, Stage] = field(default_factory=dict)
    arms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tuned: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    seeds: int = 3

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise TrainingError(f"comparison.seeds must be positive, got {self.seeds}")
        for table, arms in (("arms", self.arms), ("tuned", self.tuned)):
            for arm, names in arms.items():
                unknown = [name for name in names if name not in self.stages]
                if unknown or not names:
                    said = f"has no stage {unknown[0]}" if unknown else "has no stages"
                    raise TrainingError(f"comparison.{table}.{arm} {said}")
        if both := sorted(set(self.arms) & set(self.tuned)):
            raise TrainingError(f"comparison.arms and comparison.tuned both have an arm {both[0]}")

    @property
    def chains(self) -> dict[str, Chain]:
        """What every arm learns, by name."""
        drawn = {name: Chain(stages=names) for name, names in self.arms.items()}
        return drawn | {n: Chain(stages=names, drawn=False) for n, names in self.tuned.items()}

    def prefixes(self) -> list[Chain]:
        """Chains of stages to train, each after the one it goes on from."""
        found = []
        for chain in self.chains.values():
            ends = range(1, len(chain.stages) + 1)
            found += [replace(chain, stages=chain.stages[:end]) for end in ends]
        return list(dict.fromkeys(found))

    def last(self, chain: Chain, seed: int) -> TrainingRecipe:
        """Give the recipe of a chain's last stage."""
        # A stage of its own draws: the tenth stage of a seed is the first of the next.
        place = 10 * seed + len(chain.stages) - 1
        name = chain.stages[-1]
        return TrainingRecipe(stages={name: self.stages[name]}, seed=place)

    @property
    def steps(self) -> int:
        """Of all trainings."""
        each = sum(self.stages[chain.stages[-1]].steps for chain in self.prefixes())
        return self.seeds * each


COMPARISONS = RecipeBook(
    config=Comparison, package="likeness.training", root="comparison", folder="comparisons"
)
