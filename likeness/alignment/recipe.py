"""Recipes: a TOML file plus `key=value`, read into configs that are valid from birth."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from likeness.alignment.masked_dpo import MaskedDPOConfig
from likeness.alignment.masks import MaskConfig
from likeness.alignment.mining import MiningConfig
from likeness.store.errors import LikenessError

Config = TypeVar("Config")


class RecipeError(LikenessError):
    """A recipe that can't be read; the message names the key and the nearest one there is."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One alignment, from scored samples to a checkpoint: a table for each step.

    Left out, a value is the paper's (TAVR A.1), or what its own documentation says.
    """

    mining: MiningConfig = field(default_factory=MiningConfig)
    masks: MaskConfig = field(default_factory=MaskConfig)
    masked_dpo: MaskedDPOConfig = field(default_factory=MaskedDPOConfig)


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("likeness.alignment") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[0] != "_")


def load_recipe(source: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe.

    Args:
        source: path of a TOML file, or the name of a packaged recipe.
        overrides: such as `masked_dpo.beta=1000`; the value is TOML, or else plain text.

    Raises:
        RecipeError: no such recipe or key, a value of the wrong type, or broken TOML.
        LikenessError: a value is out of its range.

    """
    try:
        table = tomllib.loads(_read(source))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"recipe {source} is not TOML: {error}") from error
    for override in overrides:
        _override(table, override)
    return build(Recipe, table, "alignment")


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """Write the recipe out with every default, as plain JSON values."""
    return json.loads(json.dumps(asdict(recipe)))


def build(config: type[Config], table: Mapping[str, Any], path: str) -> Config:
    """Make a config dataclass of a table, checking names and types; `path` is for messages."""
    hints = get_type_hints(config)
    for key in table:
        if key not in hints:
            raise RecipeError(f"unknown key {path}.{key}{_nearest(key, list(hints))}")
    return config(**{k: _convert(hints[k], v, f"{path}.{k}") for k, v in table.items()})


def _read(source: str | Path) -> str:
    path = Path(source)
    if path.suffix == ".toml":
        try:
            return path.read_text()
        except OSError as error:
            raise RecipeError(f"recipe {path} can't be read: {error.strerror}") from error
    if str(source) not in recipe_names():
        raise RecipeError(
            f"no recipe {source}{_nearest(str(source), recipe_names())}; "
            "give a packaged name or the path of a .toml file"
        )
    return (resources.files("likeness.alignment") / "recipes" / f"{source}.toml").read_text()


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not parents or not last:
        raise RecipeError(f"{override!r} is no override; write table.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{override!r}: {parent} is a value, not a table")
    table[last] = value


PLAIN: dict[Any, tuple[Any, str]] = {
    float: ((int, float), "a number"),
    int: (int, "a whole number"),
    bool: (bool, "true or false"),
}


def _convert(hint: Any, value: Any, path: str) -> Any:
    arguments = get_args(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, _expect(Mapping, "a table", value, path), path)
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or len(value) != len(arguments):
            raise RecipeError(f"{path} must be a list of {len(arguments)}, got {value!r}")
        return tuple(_convert(h, v, path) for h, v in zip(arguments, value, strict=True))
    if get_origin(hint) is Mapping:
        items = _expect(Mapping, "a table", value, path).items()
        return {k: _convert(arguments[1], v, f"{path}.{k}") for k, v in items}
    kind, name = PLAIN.get(hint, (str, "a text"))
    found = _expect(kind, name, value, path)
    return float(found) if hint is float else found


def _expect(kind: Any, name: str, value: Any, path: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{path} must be {name}, got {value!r}")
    return value


def _nearest(key: str, known: Sequence[str]) -> str:
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
