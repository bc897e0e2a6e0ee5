"""What people are asked and what they answer, as records. Rows are appended, never changed."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar, Literal, get_args

from likeness.store.record import Record, RecordError, canonical_json, content_id, now

Role = Literal["annotator", "reviewer", "researcher", "admin"]
Standing = Literal["invited", "active", "suspended"]
Kind = Literal["question", "gold", "repeat", "training", "review"]
Side = Literal["first", "second"]
Choice = Literal["left", "right", "tie", "both_bad"]

ROLES: tuple[Role, ...] = get_args(Role)
STANDINGS: tuple[Standing, ...] = get_args(Standing)
KINDS: tuple[Kind, ...] = get_args(Kind)
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True, kw_only=True)
class Rater(Record):
    """What somebody who judges is from now on; the newest record of an id counts.

    Attributes:
        id: name by which votes call them, such as `ada`.
        role: what they may do.
        standing: a suspended rater is given nothing more, and the votes weigh nothing.
        account: their e-mail address on the server; empty before they have one.
        note: why this record was added.
        created: UTC, ISO 8601.

    """

    id: str
    role: Role = "annotator"
    standing: Standing = "active"
    account: str = ""
    note: str = ""
    created: str = field(default_factory=now)

    def __post_init__(self) -> None:
        if not self.id.strip():
            raise RecordError("a rater needs a name")
        if self.role not in ROLES:
            raise RecordError(f"rater.role must be one of {', '.join(ROLES)}: {self.role!r}")
        if self.standing not in STANDINGS:
            raise RecordError(
                f"rater.standing must be one of {', '.join(STANDINGS)}: {self.standing!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Campaign(Record):
    """A round of questions asked in one way.

    Attributes:
        id: its name.
        layout: version of the page that raters see.
        dimensions: what is asked of each comparison, such as `identity`.
        plan: how comparisons were chosen and dealt, JSON values, seed included.
        created: UTC, ISO 8601.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"created"})

    id: str
    layout: str
    dimensions: tuple[str, ...]
    plan: dict[str, Any]
    created: str = field(default_factory=now)

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise RecordError(f"campaign {self.id} asks nothing: give it a dimension")
        canonical_json(self.plan)


@dataclass(frozen=True, kw_only=True)
class Comparison(Record):
    """Two clips of one condition, of which people are asked which is better.

    Attributes:
        campaign: id of the campaign.
        condition: id of the condition.
        first, second: clip ids, in no order that says anything.
        samples: ids of the samples that the clips are, where they are any: first, second.
        kind: `question`; `gold` and `training` have known answers; a `repeat` is a question that
            the same rater has seen before; a `review` is one that raters disagreed on.
        expected: the right answer by dimension, `first`, `second`, `tie` or `both_bad`; empty where
            nobody knows.
        chance: probability with which it was drawn, 0 < p <= 1.
        draw: number of the draw, so that a pair can be asked again in one campaign.

    """

    campaign: str
    condition: str
    first: str
    second: str
    samples: tuple[str, ...] = ()
    kind: Kind = "question"
    expected: dict[str, str] = field(default_factory=dict)
    chance: float = 1.0
    draw: int = 0

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise RecordError(f"comparison of {self.condition}: both sides are one clip")
        if self.kind not in KINDS:
            raise RecordError(f"comparison.kind must be one of {', '.join(KINDS)}: {self.kind!r}")
        if not 0 < self.chance <= 1:
            raise RecordError(f"comparison.chance must be above 0 and at most 1: {self.chance}")
        if self.kind in {"gold", "training"} and not self.expected:
            raise RecordError(f"a {self.kind} comparison needs its expected answers")

    @property
    def id(self) -> str:
        """Hash of all fields."""
        return content_id(self.to_dict())


@dataclass(frozen=True, kw_only=True)
class Assignment(Record):
    """A comparison dealt to a rater: one view of it, with its own media and order of sides.

    Attributes:
        id: opaque key that the server's task carries; says nothing of what it stands for.
        comparison: id of the comparison.
        rater: id of the rater.
        left: which of the two clips is shown on the left.
        chance: probability with which that side was drawn.
        place: in the rater's queue, from 0.
        media: opaque name of the file with both sides.
        reference: opaque name of the file with the reference.
        created: UTC, ISO 8601.

    """

    fleeting: ClassVar[frozenset[str]] = frozenset({"created"})

    id: str
    comparison: str
    rater: str
    left: Side
    chance: float = 0.5
    place: int
    media: str
    reference: str
    created: str = field(default_factory=now)


@dataclass(frozen=True, kw_only=True)
class Delivery(Record):
    """What a server told us of an annotation, as it came; the inbox.

    Attributes:
        server: name of the server.
        annotation: its number there.
        task: number of its task there.
        assignment: opaque key that the task carries; empty where it carries none.
        updated: when the server last changed it, as it says.
        body: the annotation as the server gave it; None when it is gone there.
        way: how it came: `webhook`, `sync` or `reconcile`.
        created: when it came, UTC, ISO 8601.

    """

    server: str
    annotation: int
    task: int
    assignment: str
    updated: str
    body: dict[str, Any] | None
    way: str
    created: str = field(default_factory=now)

    @cached_property
    def id(self) -> str:
        """Hash of all but the way and time it came: a thing told twice is one delivery."""
        names = (each.name for each in fields(self))
        return content_id({n: getattr(self, n) for n in names if n not in {"way", "created"}})


@dataclass(frozen=True, kw_only=True)
class Vote(Record):
    """One rater's judgement of a comparison in one dimension, as it was given.

    Attributes:
        assignment: id of the view that was judged.
        comparison: id of the comparison.
        rater: id of who judged.
        dimension: what was asked.
        choice: side or tie as shown; see the assignment for which clip that was. None withdraws
            the vote that it supersedes.
        strength: how clear it is, 1 slightly, 2 clearly; None where it was not asked or not said.
        flags: such as `left:artefact`.
        comment: of the rater.
        seconds: spent on it; None where the server doesn't say.
        delivery: id of the delivery it was read from, or None.
        reason: why it doesn't count, such as that it was given by a stranger; None where it does.
        created: when it was given, UTC, ISO 8601.

    The newest vote of an assignment, rater and dimension supersedes the earlier ones.

    """

    assignment: str
    comparison: str
    rater: str
    dimension: str
    choice: Choice | None
    strength: int | None = None
    flags: tuple[str, ...] = ()
    comment: str = ""
    seconds: float | None = None
    delivery: str | None = None
    reason: str | None = None
    created: str = field(default_factory=now)

    def __post_init__(self) -> None:
        if self.choice is not None and self.choice not in CHOICES:
            raise RecordError(f"vote.choice must be one of {', '.join(CHOICES)}: {self.choice!r}")


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Record):
    """One thing that happened, chained to what happened before it.

    Attributes:
        event: what it was, such as `vote` or `rater_suspended`.
        subject: id of what it happened to.
        told: the facts, JSON values.
        previous: hash of the entry before; empty for the first.
        created: UTC, ISO 8601.

    """

    event: str
    subject: str
    told: dict[str, Any]
    previous: str
    created: str = field(default_factory=now)

    @property
    def hash(self) -> str:
        """SHA-256 of all fields, `previous` included."""
        return content_id({each.name: getattr(self, each.name) for each in fields(self)})
