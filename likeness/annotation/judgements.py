"""Votes that count, each with what was shown: the order of sides is taken out again."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from likeness.store.judgements import Assignment, Choice, Comparison, Side, Vote

Said = Literal["first", "second", "tie", "both_bad"]

_OTHER: dict[Side, Side] = {"first": "second", "second": "first"}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A vote that counts.

    Attributes:
        comparison: what was asked.
        assignment: the view that was judged.
        rater: who judged.
        dimension: what was asked about.
        shown: the answer as the rater gave it, by side.
        said: the same by clip.
        strength: 1 slightly, 2 clearly, or None.
        seconds: spent on the view, or None.

    """

    comparison: Comparison
    assignment: Assignment
    rater: str
    dimension: str
    shown: Choice
    said: Said
    strength: int | None
    seconds: float | None

    @property
    def kind(self) -> str:
        """What the comparison is for, such as `gold`."""
        return self.comparison.kind

    @property
    def right(self) -> bool | None:
        """Whether it is the expected answer; None where nobody knows."""
        expected = self.comparison.expected.get(self.dimension)
        return None if expected is None else expected == self.said


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Votes sorted out.

    Attributes:
        judgements: those that count, in the order of their views.
        left_out: how many votes don't, by reason.

    """

    judgements: tuple[Judgement, ...]
    left_out: Mapping[str, int]


def counting(
    votes: Iterable[Vote], assignments: Iterable[Assignment], comparisons: Iterable[Comparison]
) -> Counted:
    """Take the newest vote of each view, rater and dimension, and drop what doesn't count.

    Args:
        votes: in the order in which they were written down.
        assignments: of all views.
        comparisons: of all views.

    """
    asked = {comparison.id: comparison for comparison in comparisons}
    views = {view.id: view for view in assignments if view.comparison in asked}
    newest: dict[tuple[str, str, str], Vote] = {}
    left_out: Counter[str] = Counter()
    for vote in votes:
        key = (vote.assignment, vote.rater, vote.dimension)
        if key in newest:
            left_out["superseded by a newer vote"] += 1
        newest[key] = vote
    found = []
    for vote in newest.values():
        view = views.get(vote.assignment)
        if reason := _reason(vote, view):
            left_out[reason] += 1
        elif view is not None and vote.choice is not None:
            found.append(_judgement(vote, view, asked[view.comparison]))
    found.sort(key=lambda one: (one.rater, one.assignment.place, one.dimension))
    return Counted(judgements=tuple(found), left_out=dict(left_out))


def by_clip(choice: Choice, left: Side) -> Said:
    """Turn an answer by side into one by clip."""
    if choice == "left":
        return left
    return _OTHER[left] if choice == "right" else choice


def _reason(vote: Vote, view: Assignment | None) -> str | None:
    if vote.reason is not None:
        return vote.reason
    if vote.choice is None:
        return "withdrawn"
    if view is None:
        return "of a view that is not known here"
    return None if view.rater == vote.rater else "given by another than the view was dealt to"


def _judgement(vote: Vote, view: Assignment, comparison: Comparison) -> Judgement:
    assert vote.choice is not None
    return Judgement(
        comparison=comparison,
        assignment=view,
        rater=vote.rater,
        dimension=vote.dimension,
        shown=vote.choice,
        said=by_clip(vote.choice, view.left),
        strength=vote.strength,
        seconds=vote.seconds,
    )
