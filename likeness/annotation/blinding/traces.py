"""Everything that a browser receives for a view but the picture and sound, as numbers."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from likeness.annotation.blinding.boxes import beside_the_picture, boxes

_TABLES = ("stsz", "stco", "co64", "stts", "ctts", "stsc", "stss")
_BYTES = 512  # of a box or text that are looked at one by one
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_WORD = re.compile(r"[A-Za-z]+|\d+")


@dataclass(frozen=True, kw_only=True)
class Received:
    """What a browser was sent for one view.

    Attributes:
        task: what the server says of the task, JSON.
        files: by role, such as `media`, the bytes of each file.
        headers: by role, the HTTP headers with which it came.
        urls: by role, where it came from.

    """

    task: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    urls: Mapping[str, str] = field(default_factory=dict)


def traces(received: Received) -> dict[str, float]:
    """Turn what was received for a view into named numbers; a name that is missing means 0.

    Sizes, counts, places and every byte of boxes, of units that are no pictures and of text, as a
    value and bit by bit; words and numbers of JSON, headers and URLs.
    """
    found: dict[str, float] = {}
    for name, value in _flat(received.task, "task"):
        found.update(_value(name, value))
    for role, url in received.urls.items():
        found.update(_text(f"url/{role}", url))
    for role, headers in received.headers.items():
        for name, value in headers.items():
            found.update(_text(f"header/{role}/{name.lower()}", value))
    for role, data in received.files.items():
        found.update(_file(f"file/{role}", data))
    return found


def _file(name: str, data: bytes) -> dict[str, float]:
    found = {f"{name}/size": float(len(data))}
    for box in boxes(data):
        found[f"{name}/{box.path}/start"] = float(box.start)
        found[f"{name}/{box.path}/size"] = float(box.size)
        if box.path.rsplit("/", 1)[-1].rstrip("0123456789") in _TABLES:
            found.update(_numbers(f"{name}/{box.path}", box.body))
        else:
            found.update(_bytes(f"{name}/{box.path}", box.body))
    for kind, pieces in beside_the_picture(data).items():
        found[f"{name}/{kind}/count"] = float(len(pieces))
        whole = b"\n".join(pieces)
        found[f"{name}/{kind}/size"] = float(len(whole))
        if kind != "text":
            found.update(_bytes(f"{name}/{kind}", whole))
        for word in _WORD.findall(whole.decode("latin-1"))[:_BYTES]:
            if len(word) > 3:
                found[f"{name}/{kind}/word {word.lower()}"] = 1.0
    return found


def _numbers(name: str, body: bytes) -> dict[str, float]:
    """Tables of sizes and places are of 32-bit numbers; their sum and spread are told too."""
    values = [float(int.from_bytes(body[i : i + 4], "big")) for i in range(0, len(body), 4)]
    found = {f"{name}/{index}": value for index, value in enumerate(values[:_BYTES])}
    found[f"{name}/sum"] = sum(values)
    found[f"{name}/largest"] = max(values, default=0.0)
    return found


def _bytes(name: str, body: bytes) -> dict[str, float]:
    found = {}
    for index, byte in enumerate(body[:_BYTES]):
        found[f"{name}@{index}"] = float(byte)
        found.update({f"{name}@{index}.{bit}": 1.0 for bit in range(8) if byte >> bit & 1})
    return found


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for place, key in enumerate(value):
            yield f"{name}/order {place}", str(key)
            yield from _flat(value[key], f"{name}/{key}")
    elif isinstance(value, list | tuple):
        yield f"{name}/length", len(value)
        for index, item in enumerate(value):
            yield from _flat(item, f"{name}/{index}")
    else:
        yield name, value


def _value(name: str, value: Any) -> dict[str, float]:
    if value is None:
        return {f"{name}/none": 1.0}
    if isinstance(value, bool | int | float):
        return {name: float(value)}
    return _text(name, str(value))


def _text(name: str, text: str) -> dict[str, float]:
    found = {f"{name}/length": float(len(text))}
    for index, number in enumerate(_NUMBER.findall(text)[:8]):
        if len(number) < 16:
            found[f"{name}/number {index}"] = float(number)
    for word in _WORD.findall(text):
        found[f"{name}/word {word.lower()}"] = 1.0
    found.update({f"{name}/first {i}": float(ord(c)) for i, c in enumerate(text[:64])})
    found.update({f"{name}/last {i}": float(ord(c)) for i, c in enumerate(text[:-65:-1])})
    return found
