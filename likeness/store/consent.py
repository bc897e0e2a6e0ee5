from dataclasses import dataclass, field
from typing import ClassVar

from likeness.store.record import Record, content_id, now


@dataclass(frozen=True, kw_only=True)
class Consent(Record):
    """A person's leave to use their face and voice.

    Attributes:
        identity: the person, as clips name them.
        who: gave the consent (the person or their guardian).
        purpose: what it was given for.
        until: last day it holds, ISO 8601 date; None for no end.
        created: when it was written down, UTC, ISO 8601.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"created"})

    identity: str
    who: str
    purpose: str
    until: str | None
    created: str = field(default_factory=now)

    @property
    def id(self) -> str:
        """Hash of everything but the time it was written down."""
        return content_id({k: v for k, v in self.to_dict().items() if k != "created"})
