"""What raters are asked on a page, and what counts as an answer."""

from collections.abc import Mapping
from typing import Any

from likeness.benchmark.studies.dimensions import LEAST, MOST, dimensions_of
from likeness.benchmark.studies.plan import StudyPlan
from likeness.store.errors import LikenessError

SIDES = ("left", "right")
CONFIDENCE = ("Guessing", "Unsure", "Fairly sure", "Certain")
REASONS = {
    "face": "Face",
    "mouth": "Mouth and lips",
    "eyes": "Eyes",
    "movement": "Movement",
    "voice": "Voice",
    "picture": "Picture",
    "background": "Background",
    "nothing": "Nothing",
}
WORDS = 500  # characters of a rater's own words
_LONGEST = 86_400.0  # seconds


class SayingError(LikenessError):
    """Something said that is no answer."""


def asked(plan: StudyPlan) -> dict[str, Any]:
    """Return what a page asks in every trial of a study."""
    if plan.kind == "turing":
        return {"confidence": list(CONFIDENCE), "reasons": REASONS, "words": WORDS}
    return {
        "dimensions": [
            {"name": d.name, "title": d.title, "question": d.question, "labels": list(d.labels)}
            for d in dimensions_of(plan.dimensions)
        ]
    }


def checked(plan: StudyPlan, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of an answer.

    Raises:
        SayingError: something is missing or not among what was offered; the message is for the
            rater.

    """
    told = _choice(said) if plan.kind == "turing" else _scores(plan, said)
    parts = SIDES if plan.kind == "turing" else ("only",)
    told["played"] = _numbers(said.get("played"), parts)
    told["playing"] = _numbers(said.get("playing"), parts)
    return told


def _choice(said: Mapping[str, Any]) -> dict[str, Any]:
    if said.get("chosen") not in SIDES:
        raise SayingError("Please choose the clip that you take for the real one.")
    sure = said.get("confidence")
    if type(sure) is not int or not 1 <= sure <= len(CONFIDENCE):
        raise SayingError("Please say how sure you are.")
    why = said.get("why", [])
    words = said.get("words", "")
    if not isinstance(why, list) or set(map(str, why)) - set(REASONS) or len(why) > len(REASONS):
        raise SayingError("Please give reasons of the list.")
    if not isinstance(words, str) or len(words) > WORDS:
        raise SayingError(f"Please use {WORDS} characters at most.")
    return {"chosen": said["chosen"], "confidence": sure, "why": why, "words": words.strip()}


def _scores(plan: StudyPlan, said: Mapping[str, Any]) -> dict[str, Any]:
    scores = said.get("scores")
    found = {}
    for dimension in dimensions_of(plan.dimensions):
        score = scores.get(dimension.name) if isinstance(scores, Mapping) else None
        if type(score) is not int or not LEAST <= score <= MOST:
            raise SayingError(f"Please answer every question; {dimension.title} is missing.")
        found[dimension.name] = score
    return {"scores": found}


def _numbers(said: Any, parts: tuple[str, ...]) -> dict[str, float | None]:
    """Return seconds as far as they are any: what a player tells is of use, but not believed."""
    told = said if isinstance(said, Mapping) else {}
    return {part: _seconds(told.get(part)) for part in parts}


def _seconds(number: Any) -> float | None:
    if type(number) not in (int, float) or not 0 <= number < _LONGEST:
        return None
    return round(float(number), 3)
