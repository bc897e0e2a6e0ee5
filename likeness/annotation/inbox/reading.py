"""From what a server told to the votes that stand, whatever the order it was told in."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from likeness.annotation.layout import unwatched
from likeness.store.judgements import CHOICES, Assignment, Delivery, Vote

STRENGTHS = {"slightly": 1, "clearly": 2}
SKIPPED = "skipped by the rater"
WITHDRAWN = "deleted or emptied on the server"
ASIDE = frozenset({"strength", "flags", "comment", "watched"})  # choices that ask no dimension

Raters = Mapping[str, Collection[str]]

NAMELESS = re.compile(r"task (\d+) of ")

_SAME_TIME = timedelta(seconds=2)  # between the times that a server notes for one saving


@dataclass(frozen=True, kw_only=True)
class Dealt:
    """What a key stands for.

    Attributes:
        assignment: the view.
        dimensions: what its campaign asks.
        forgotten: id of a clip of it that is no longer in the workspace, or None.
        plays: seconds of its video, where its page asks for proof that it was watched, or None.

    """

    assignment: Assignment
    dimensions: tuple[str, ...]
    forgotten: str | None = None
    plays: float | None = None


def name_of(delivery: Delivery) -> str:
    """Return the key of the task, or what stands for it where it carries none."""
    return delivery.assignment or nameless(delivery.task, delivery.server)


def nameless(task: int, server: str) -> str:
    """Return what stands for the key of a task that carries none."""
    return f"task {task} of {server}"[:128]


def newest(deliveries: Iterable[Delivery]) -> dict[tuple[str, int], Delivery]:
    """Return the newest delivery of each annotation, by server and number.

    The latest change wins, in whatever order it was told; of one time a deletion, then what says
    whose it is, then the greater id, so that the outcome hangs on what was told alone.
    """
    found: dict[tuple[str, int], tuple[tuple[str, bool, bool, str], Delivery]] = {}
    for each in deliveries:
        place = (each.server, each.annotation)
        rank = (each.updated, each.body is None, bool((each.body or {}).get("account")), each.id)
        if place not in found or rank > found[place][0]:
            found[place] = (rank, each)
    return {place: each for place, (_, each) in found.items()}


def standing(deliveries: Sequence[Delivery], dealt: Dealt | None, raters: Raters) -> list[Vote]:
    """Return the votes on one task that stand after its deliveries, told in any order.

    Of several annotations by one rater the one changed last stands, and the others are passed
    over; when it is deleted the one before stands again. What can't count is there too, with the
    reason: a stranger's, one changed by somebody else, one without a known key, one of a clip
    that was forgotten, an answer that isn't among those offered.

    Args:
        deliveries: all of one task.
        dealt: what its key stands for, None where nobody knows the key.
        raters: accounts of each, in lower case, by id.

    """
    alive = [each for each in newest(deliveries).values() if each.body is not None]
    chosen: dict[str, tuple[tuple[str, int, str], Delivery, str | None]] = {}
    for each in alive:
        rater, reason = _rater_of(each, dealt, raters)
        rank = (each.updated, each.annotation, each.server)
        if rater not in chosen or rank > chosen[rater][0]:
            chosen[rater] = (rank, each, reason)
    return [
        vote
        for rater, (_, each, reason) in sorted(chosen.items())
        for vote in _votes(each, dealt, rater, reason)
    ]


def changes(stand: Iterable[Vote], current: Iterable[Vote]) -> list[tuple[Vote, Vote | None]]:
    """Return the votes to append so that the latest are `stand`, each with what it supersedes.

    Those that stand no longer are withdrawn; a withdrawal doesn't say yet what caused it.
    """
    wanted = {_place(vote): vote for vote in stand}
    there = {_place(vote): vote for vote in current}
    added = [
        (vote, there.get(place))
        for place, vote in wanted.items()
        if place not in there or _said(vote) != _said(there[place])
    ]
    return added + [
        (_withdrawn(vote), vote)
        for place, vote in there.items()
        if place not in wanted and vote.reason != WITHDRAWN
    ]


def _withdrawn(vote: Vote) -> Vote:
    return Vote(
        assignment=vote.assignment,
        comparison=vote.comparison,
        rater=vote.rater,
        dimension=vote.dimension,
        choice=None,
        reason=WITHDRAWN,
        created=vote.created,
    )


def _place(vote: Vote) -> tuple[str, str, str]:
    return (vote.assignment, vote.rater, vote.dimension)


def _said(vote: Vote) -> tuple[Any, ...]:
    return (
        vote.comparison,
        vote.choice,
        vote.strength,
        vote.flags,
        vote.comment,
        vote.seconds,
        vote.reason,
    )


def _rater_of(delivery: Delivery, dealt: Dealt | None, raters: Raters) -> tuple[str, str | None]:
    """Return who judged, and why it doesn't count where it doesn't."""
    body = delivery.body or {}
    account = str(body.get("account") or "")
    called = account or f"user {body.get('completed_by')} of {delivery.server}"
    if dealt is None:
        names = _raters_with(account, raters)
        return (names[0] if names else called)[:128], "nobody knows the key of its task"
    own = dealt.assignment.rater
    names = _raters_with(account, raters)
    if own not in names:
        if not names:
            return called[:128], f"given by a stranger: {called} is the account of no rater"
        return names[0], f"given by {names[0]}, but it was dealt to {own}"
    if _changed_by_another(body):
        editor = body.get("editor") or f"user {body.get('updated_by')}"
        return own, f"changed by {editor}, who isn't its rater"
    if dealt.forgotten:
        return own, f"of a clip that was forgotten: {dealt.forgotten}"
    return own, None


def _raters_with(account: str, raters: Raters) -> list[str]:
    wanted = account.casefold()
    return sorted(name for name, accounts in raters.items() if wanted and wanted in accounts)


def _changed_by_another(body: Mapping[str, Any]) -> bool:
    """Whether somebody else saved it after it was given."""
    editor = body.get("updated_by")
    if editor is None or editor == body.get("completed_by"):
        return False
    given, changed = str(body.get("created_at") or ""), str(body.get("updated_at") or "")
    if not given or not changed:
        return True
    return datetime.fromisoformat(changed) - datetime.fromisoformat(given) > _SAME_TIME


def _votes(
    delivery: Delivery, dealt: Dealt | None, rater: str, reason: str | None
) -> Iterable[Vote]:
    body = delivery.body or {}
    said = _answers(body.get("result"))
    if dealt and dealt.plays is not None and not reason:
        reason = unwatched(said.get("watched", ()), _seconds(body.get("lead_time")), dealt.plays)
    strength = STRENGTHS.get(_first(said.get("strength")))
    asked = dealt.dimensions if dealt else tuple(sorted(set(said) - ASIDE))
    for dimension in asked:
        choice, why = _choice(said.get(dimension), bool(body.get("was_cancelled")))
        if choice is None and why is None:
            continue
        yield Vote(
            assignment=name_of(delivery),
            comparison=dealt.assignment.comparison if dealt else "",
            rater=rater,
            dimension=dimension[:64],
            choice=choice,  # type: ignore[arg-type]  # one of CHOICES, or None
            strength=strength,
            flags=tuple(sorted(set(said.get("flags", ())))),
            comment="\n".join(said.get("comment", ())),
            seconds=_seconds(body.get("lead_time")),
            delivery=delivery.id,
            reason=reason or why,
            created=delivery.updated,
        )


def _answers(result: Any) -> dict[str, list[str]]:
    """Return what was said under each name of the layout, passing over what has another form."""
    said: dict[str, list[str]] = {}
    for region in result if isinstance(result, list) else ():
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            continue
        given = value.get("choices", value.get("text"))
        given = [given] if isinstance(given, str) else given
        if isinstance(given, list):
            name = _text(region.get("from_name"))
            said.setdefault(name, []).extend(_text(each) for each in given)
    return said


def _text(value: Any) -> str:
    """Return what a column of text takes: PostgreSQL refuses NUL."""
    return str(value).replace("\x00", "\ufffd")


def _choice(given: list[str] | None, skipped: bool) -> tuple[str | None, str | None]:
    if skipped:
        return None, SKIPPED
    if not given:
        return None, None
    if len(given) > 1:
        return None, f"has several answers: {', '.join(given)}"
    if given[0] not in CHOICES:
        return None, f"its answer {given[0]!r} is none of {', '.join(CHOICES)}"
    return given[0], None


def _first(given: list[str] | None) -> str:
    return given[0] if given else ""


def _seconds(value: Any) -> float | None:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if known else None
