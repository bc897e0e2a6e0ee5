"""What a frozen file held, kept in it: an edit can then be told, not only noticed."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from likeness.store.record import canonical_json, content_id

MOST = 3  # differences that are told one by one


def seal(content: Mapping[str, Any]) -> str:
    """Pack a file's content into a line of text."""
    packed = zlib.compress(canonical_json(dict(content)).encode(), 9)
    return base64.b64encode(packed).decode()


def unseal(text: object, stated: object) -> dict[str, Any] | None:
    """Unpack what `seal` packed; None where it is not what was hashed."""
    try:
        content = json.loads(zlib.decompress(base64.b64decode(str(text), validate=True)))
    except (ValueError, zlib.error):
        return None
    return content if isinstance(content, dict) and content_id(content) == stated else None


def told_edits(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Say in words what was changed between two contents of a suite."""
    found = [
        f"{key} was {_short(old.get(key))} and is {_short(new.get(key))}"
        for key in sorted((old.keys() | new.keys()) - {"cases"})
        if old.get(key) != new.get(key)
    ]
    before, after = old.get("cases", []), new.get("cases", [])
    found += _of_cases(before, after if isinstance(after, list) else [])
    more = f"; and {len(found) - MOST} more changes" if len(found) > MOST else ""
    return "; ".join(found[:MOST]) + more


def _of_cases(before: Sequence[Any], after: Sequence[Any]) -> list[str]:
    if len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [line for k, (a, b) in enumerate(pairs, 1) for line in _of_case(k, a, b)]
    kept = [canonical_json(case) for case in after]
    there = [canonical_json(case) for case in before]
    gone = [f"{_name(k, c)} is gone" for k, c in enumerate(before, 1) if there[k - 1] not in kept]
    new = [f"{_name(k, c)} is new" for k, c in enumerate(after, 1) if kept[k - 1] not in there]
    return gone + new


def _of_case(number: int, a: Any, b: Any) -> list[str]:
    if not isinstance(b, dict):
        return [f"{_name(number, a)} is no case any more"]
    return [
        f"{key} of {_name(number, a)} was {_short(a.get(key))} and is {_short(b.get(key))}"
        for key in sorted(a.keys() | b.keys())
        if a.get(key) != b.get(key)
    ]


def _name(number: int, case: Any) -> str:
    who = case.get("identity", "nobody") if isinstance(case, dict) else "nobody"
    return f"case {number} ({who})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:36]}..."
