"""Recipes: a TOML file plus `key=value`, read into configs that are valid from birth."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin, get_type_hints

from likeness.store.errors import LikenessError

Config = TypeVar("Config")


class RecipeError(LikenessError):
    """A recipe that can't be read; the message names the key and the nearest one there is."""


@dataclass(frozen=True, kw_only=True)
class RecipeBook(Generic[Config]):
    """The recipes of one kind.

    Attributes:
        config: dataclass that a recipe is read into; its fields are the keys.
        package: which has the folder with those that come along.
        root: what messages put before keys.
        folder: its name.

    """

    config: type[Config]
    package: str
    root: str
    folder: str = "recipes"

    def names(self) -> list[str]:
        """Names of the recipes that come with the package."""
        folder = resources.files(self.package) / self.folder
        return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name[0] != "_")

    def load(self, source: str | Path, overrides: Sequence[str] = ()) -> Config:
        """Read a recipe.

        Args:
            source: path of a TOML file, or the name of a packaged recipe.
            overrides: such as `masked_dpo.beta=1000`; the value is TOML, or else plain text.

        Raises:
            RecipeError: no such recipe or key, a value of the wrong type, or broken TOML.
            LikenessError: a value is out of its range.

        """
        try:
            table = tomllib.loads(self._read(source))
        except tomllib.TOMLDecodeError as error:
            raise RecipeError(f"recipe {source} is not TOML: {error}") from error
        for told in overrides:
            override(table, told)
        return build(self.config, table, self.root)

    def _read(self, source: str | Path) -> str:
        path = Path(source)
        if path.suffix == ".toml":
            try:
                return path.read_text()
            except OSError as error:
                raise RecipeError(f"recipe {path} can't be read: {error.strerror}") from error
        if str(source) not in self.names():
            raise RecipeError(
                f"no recipe {source}{nearest(str(source), self.names())}; "
                "give a packaged name or the path of a .toml file"
            )
        return (resources.files(self.package) / self.folder / f"{source}.toml").read_text()


def recipe_table(recipe: Any) -> dict[str, Any]:
    """Write a config out with every default, as plain JSON values; None is left out."""
    return json.loads(json.dumps(_without_none(asdict(recipe))))


def build(config: type[Config], table: Mapping[str, Any], path: str) -> Config:
    """Make a config dataclass of a table, checking names and types; `path` is for messages."""
    hints = get_type_hints(config)
    for key in table:
        if key not in hints:
            raise RecipeError(f"unknown key {path}.{key}{nearest(key, list(hints))}")
    return config(**{k: _convert(hints[k], v, f"{path}.{k}") for k, v in table.items()})


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return value


def override(table: dict[str, Any], told: str) -> None:
    """Set what `table.key=value` says in a table; the value is TOML, or else plain text.

    Raises:
        RecipeError: it is no override.

    """
    key, equals, text = told.partition("=")
    *parents, last = key.strip().split(".")
    if not equals or not last or not all(parents):
        raise RecipeError(f"{told!r} is no override; write table.key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for parent in parents:
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            raise RecipeError(f"{told!r}: {parent} is a value, not a table")
    table[last] = value


PLAIN: dict[Any, tuple[Any, str]] = {
    float: ((int, float), "a number"),
    int: (int, "a whole number"),
    bool: (bool, "true or false"),
}


def _convert(hint: Any, value: Any, path: str) -> Any:
    kind, arguments = get_origin(hint), get_args(hint)
    if kind is UnionType:  # X | None: TOML has no None, so what is written is an X
        return _convert(arguments[0], value, path)
    if isinstance(hint, type) and is_dataclass(hint):
        return build(hint, _expect(Mapping, "a table", value, path), path)
    if kind is tuple:
        return _convert_list(arguments, value, path)
    if kind is Mapping:
        items = _expect(Mapping, "a table", value, path).items()
        return {k: _convert(arguments[1], v, f"{path}.{k}") for k, v in items}
    if kind is Literal:
        if value not in arguments:
            choice = ", ".join(map(str, arguments))
            raise RecipeError(f"{path} must be one of {choice}, got {value!r}")
        return value
    wanted, name = PLAIN.get(hint, (str, "a text"))
    found = _expect(wanted, name, value, path)
    return float(found) if hint is float else found


def _convert_list(hints: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if hints[1:] == (...,):
        hints = hints[:1] * len(_expect(list, "a list", value, path))
    if not isinstance(value, list) or len(value) != len(hints):
        raise RecipeError(f"{path} must be a list of {len(hints)}, got {value!r}")
    return tuple(_convert(h, v, path) for h, v in zip(hints, value, strict=True))


def _expect(kind: Any, name: str, value: Any, path: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise RecipeError(f"{path} must be {name}, got {value!r}")
    return value


def nearest(key: str, known: Sequence[str]) -> str:
    """Word the end of a message about an unknown name: the nearest that is known, or all."""
    close = get_close_matches(key, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known)}"
