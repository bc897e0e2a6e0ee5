"""What a server tells of an annotation, brought to one form, whichever way it came."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from likeness.store.judgements import Delivery
from likeness.store.record import RecordError

LONGEST_KEY = 128

_KEPT = ("result", "was_cancelled", "ground_truth", "lead_time", "task", "project")
_TIMES = ("created_at", "updated_at")
_PEOPLE = {"completed_by": "account", "updated_by": "editor"}


def told(
    server: str,
    key: str,
    annotation: Mapping[str, Any],
    accounts: Mapping[int, str],
    way: str,
) -> Delivery:
    """Make a delivery of an annotation as Label Studio's API gives it.

    Kept is what somebody said and who did; left out is what changes by looking (how long ago it
    was made, names and pictures of people), so that the same annotation told twice, by whichever
    way, is one delivery.

    Args:
        server: name of the server.
        key: which the task carries; empty where it carries none.
        annotation: from a list of tasks, from `/api/annotations` or from a webhook.
        accounts: e-mail address of each user by number.
        way: `webhook`, `sync` or `reconcile`.

    """
    body: dict[str, Any] = {name: annotation.get(name) for name in _KEPT}
    body |= {name: moment(annotation.get(name)) for name in _TIMES}
    for name, called in _PEOPLE.items():
        number = _number(annotation.get(name))
        body[name] = number
        body[called] = accounts.get(number, "") if number is not None else ""
    delivery = Delivery(
        server=server,
        annotation=int(annotation["id"]),
        task=int(annotation["task"]),
        assignment=_clean(key) if len(key) <= LONGEST_KEY else "",
        updated=body["updated_at"],
        body=body,
        way=way,
    )
    return delivery if _hashable(delivery) else replace(delivery, body=_clean(body))


def gone(last: Delivery, way: str) -> Delivery:
    """Make the delivery that says that an annotation is no more; `last` is the newest of it.

    The server doesn't say when it was deleted, so the time of the last change stands, which makes
    a deletion that is noticed twice one delivery.
    """
    return Delivery(
        server=last.server,
        annotation=last.annotation,
        task=last.task,
        assignment=last.assignment,
        updated=last.updated,
        body=None,
        way=way,
    )


def moment(time: Any) -> str:
    """Bring a time to UTC, ISO 8601 to the microsecond; empty where there is none."""
    if not isinstance(time, str) or not time:
        return ""
    try:
        parsed = datetime.fromisoformat(time)
    except ValueError:
        return ""
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec="microseconds")


def _number(person: Any) -> int | None:
    """Return the number of a user, whom the API gives as a number or with all that is known."""
    if isinstance(person, Mapping):
        person = person.get("id")
    return person if isinstance(person, int) else None


def _hashable(delivery: Delivery) -> bool:
    """Whether there is nothing in it that no hash is taken of: half a character, NaN."""
    try:
        return bool(delivery.id)
    except (RecordError, UnicodeEncodeError):
        return False


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, Mapping):
        return {_clean(str(name)): _clean(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, float) and not (abs(value) < float("inf")):
        return None
    return value
