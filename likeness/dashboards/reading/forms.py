"""A recipe as the fields of a form, and back as the words that change it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

Kind = Literal["number", "whole", "switch", "choice", "text"]

_KINDS: dict[Any, Kind] = {float: "number", int: "whole", bool: "switch", str: "text"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A setting in a form.

    Attributes:
        path: such as `masked_dpo.beta`.
        kind: how it is asked for; a list is asked for as a text of TOML.
        value: what the recipe says.
        choices: of a choice.

    """

    path: str
    kind: Kind
    value: Any
    choices: tuple[str, ...] = ()


def entries(config: Any, above: str = "") -> list[Entry]:
    """List the settings of a config dataclass, those of inner ones by their path.

    Tables whose keys are free, and lists of tables, have no field: a recipe's file holds them.
    """
    hints = get_type_hints(type(config))
    found: list[Entry] = []
    for one in fields(config):
        value, path = getattr(config, one.name), f"{above}{one.name}"
        if is_dataclass(value):
            found += entries(value, f"{path}.")
        elif not (isinstance(value, Mapping) or _of_tables(value)):
            found.append(_entry(path, hints[one.name], value))
    return found


def tables(found: list[Entry]) -> dict[str, list[Entry]]:
    """Put settings into tables by the first part of their paths; those without one under ''."""
    told: dict[str, list[Entry]] = {}
    for entry in found:
        table, dot, _ = entry.path.partition(".")
        told.setdefault(table if dot else "", []).append(entry)
    return told


def words(found: list[Entry], given: Mapping[str, Any]) -> list[str]:
    """Write the settings that differ from the recipe's as `key=value`."""
    changed = []
    for entry in found:
        value = given.get(entry.path, entry.value)
        if value is None or value == entry.value:
            continue
        plain = value if entry.kind in ("text", "choice") else json.dumps(value)
        changed.append(f"{entry.path}={plain}")
    return changed


def _of_tables(value: Any) -> bool:
    return isinstance(value, tuple) and any(map(is_dataclass, value))


def _entry(path: str, hint: Any, value: Any) -> Entry:
    if get_origin(hint) is UnionType:
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        return Entry(path=path, kind="choice", value=value, choices=get_args(hint))
    if value is None or hint not in _KINDS:
        told = "" if value is None else json.dumps(value)
        return Entry(path=path, kind="text", value=told)
    return Entry(path=path, kind=_KINDS[hint], value=value)
