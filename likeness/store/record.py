import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from likeness.store.errors import LikenessError


class RecordError(LikenessError):
    """A record whose fields contradict each other or can't be written down."""


def now() -> str:
    """Return the present time in UTC, ISO 8601 to the microsecond."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def canonical_json(value: object) -> str:
    """Write a JSON value in the one form that hashes are taken of: sorted keys, no spaces.

    Raises:
        RecordError: the value holds NaN, an infinity, or something JSON has no word for.

    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
    except (TypeError, ValueError) as error:
        raise RecordError(
            f"not JSON ({error}): use plain numbers, strings, lists and dicts, and None for missing"
        ) from error


def content_id(value: object) -> str:
    """Return the SHA-256 of a JSON value's canonical form (64 hex digits)."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Record:
    """Something the workspace remembers. Its fields are JSON values (tuples for lists).

    `fleeting` names the fields that may differ between two tellings of the same thing.
    """

    fleeting: ClassVar[frozenset[str]] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON values; a NaN becomes None."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Rebuild a record from `to_dict`'s form, lists in place of tuples allowed.

        Raises:
            RecordError: a field is missing or unknown.

        """
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - known):
            raise RecordError(f"{cls.__name__} has no field {', '.join(unknown)}")
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        try:
            return cls(**values)
        except TypeError as error:
            raise RecordError(f"{cls.__name__}: {error}") from error
