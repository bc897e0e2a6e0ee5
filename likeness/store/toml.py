"""Writing TOML, which the standard library only reads."""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(table: Mapping[str, Any]) -> str:
    """Write finite numbers, texts, lists, and tables of these.

    `tomllib.loads` gives the same table back. A table of tables alone gets a heading for each, one
    that has values of its own keeps its tables within its lines.
    """
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    if path and (not table or not all(isinstance(v, Mapping) for v in table.values())):
        return ["", f"[{'.'.join(path)}]", *(f"{key} = {_value(v)}" for key, v in table.items())]
    lines = [f"{key} = {_value(v)}" for key, v in table.items() if not isinstance(v, Mapping)]
    for name, values in table.items():
        if isinstance(values, Mapping):
            lines += _lines(values, (*path, name))
    return lines


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    # JSON's texts are TOML's, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
