from dataclasses import dataclass, field
from typing import Literal

from likeness.dashboards.reading import forms
from likeness.store.recipes import build


@dataclass(frozen=True, kw_only=True)
class Inner:
    beta: float = 0.5
    steps: int = 10
    mask: bool = True
    sizes: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Outer:
    algorithm: Literal["one", "two"] = "one"
    inner: Inner = field(default_factory=Inner)
    limit: float | None = None


def test_every_setting_has_a_field():
    found = {entry.path: entry for entry in forms.entries(Outer())}
    kinds = {path: entry.kind for path, entry in found.items()}
    assert kinds == {
        "algorithm": "choice",
        "inner.beta": "number",
        "inner.steps": "whole",
        "inner.mask": "switch",
        "inner.sizes": "text",
        "limit": "text",
    }
    assert found["algorithm"].choices == ("one", "two")
    assert set(forms.tables(list(found.values()))) == {"", "inner"}


def test_only_what_was_changed_is_said():
    found = forms.entries(Outer())
    assert forms.words(found, {}) == []
    assert forms.words(found, {entry.path: entry.value for entry in found}) == []
    given = {"inner.beta": 2.0, "inner.mask": False, "algorithm": "two", "inner.sizes": "[3]"}
    assert forms.words(found, given) == [
        "algorithm=two",
        "inner.beta=2.0",
        "inner.mask=false",
        "inner.sizes=[3]",
    ]


def test_recipes_of_alignment_come_back_as_they_were():
    from likeness.alignment.recipe import RECIPES, Recipe

    for name in RECIPES.names():
        recipe = RECIPES.load(name)
        found = forms.entries(recipe)
        assert forms.words(found, {}) == []
        changed = [e for e in found if e.path.endswith("masked_dpo.beta")]
        assert len(changed) == 1
        words = forms.words(found, {changed[0].path: 123.0})
        assert RECIPES.load(name, words).masked_dpo.beta == 123.0
    assert build(Recipe, {}, "alignment") == Recipe()
