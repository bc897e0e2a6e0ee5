"""Which key gives which answer: a column of the keyboard for each dimension, as on the page."""

from dataclasses import dataclass

COLUMNS = ("1qaz", "2wsx", "3edc", "4rfv", "5tgb", "6yhn")
MARKS = "7890"
STRENGTHS = "um"
FLAGS = "ijokpl"
PLAYER = (
    ("Tab", "to the player, on to its buttons"),
    ("Space", "play, pause"),
    ("← →", "step, when paused"),
    ("⋮", "in the player: speed 0.5"),
    ("Ctrl Enter", "submit"),
)


@dataclass(frozen=True, kw_only=True)
class KeyTable:
    """Keys of the page; no two are the same.

    Attributes:
        dimensions: for each dimension the keys of left, tie, right and both bad.
        marks: of the four marks.
        strengths: of slightly and clearly.
        flags: of the six flags, left and right in turn.

    """

    dimensions: dict[str, tuple[str, ...]]
    marks: tuple[str, ...] = tuple(MARKS)
    strengths: tuple[str, ...] = tuple(STRENGTHS)
    flags: tuple[str, ...] = tuple(FLAGS)

    @property
    def all(self) -> tuple[str, ...]:
        """Every key that the page listens to."""
        answers = (key for keys in self.dimensions.values() for key in keys)
        return (*answers, *self.marks, *self.strengths, *self.flags)


def key_table(dimensions: tuple[str, ...]) -> KeyTable:
    """Give the first dimension the keyboard's first column, and so on; six at most."""
    return KeyTable(dimensions=dict(zip(dimensions, map(tuple, COLUMNS), strict=False)))
