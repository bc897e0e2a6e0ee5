from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from likeness.store.errors import LikenessError

Item = TypeVar("Item")
Result = TypeVar("Result")


class CrewError(LikenessError):
    """A crew that can't be had, or can't begin."""


@dataclass(frozen=True, kw_only=True)
class Lost:
    """An item whose process died over it.

    Attributes:
        reason: how it died.

    """

    reason: str


class Crew(Protocol):
    """Does a piece of work on items, in any order."""

    def follow(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result | Lost]]:
        """Do the work, and yield each item's place and what came of it as it ends.

        A process that dies loses the item it works on, and another takes over. What the work
        raises is raised here and ends all.

        Raises:
            CrewError: no process can begin.

        """
        ...
