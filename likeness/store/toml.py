"""Writing TOML, which the standard library only reads."""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(table: Mapping[str, Any]) -> str:
    """Write finite numbers, texts, lists, and tables of these with flat tables inside.

    `tomllib.loads` gives the same table back.
    """
    lines = [f"{key} = {_value(v)}" for key, v in table.items() if not isinstance(v, Mapping)]
    for name, values in table.items():
        if isinstance(values, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {_value(v)}" for key, v in values.items())]
    return "\n".join(lines).strip() + "\n"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(v)}" for key, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    # JSON's texts are TOML's, but for the delete character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
