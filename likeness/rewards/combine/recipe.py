"""Combinations as TOML: one table `terms.NAME` for each reward, and `worst`."""

from likeness.rewards.combine.combination import Combination
from likeness.store.recipes import RecipeBook

COMBINATIONS = RecipeBook(config=Combination, package="likeness.rewards.combine", root="combine")
"""`testbed` for drawn people and `real` for recorded ones come along."""
