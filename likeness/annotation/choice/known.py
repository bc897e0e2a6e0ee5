"""Pairs whose right answer is known, to teach raters and to check them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from likeness.annotation.choice.candidates import ChoiceError
from likeness.store.judgements import Comparison
from likeness.store.record import content_id
from likeness.store.sheets import read_sheet, refuse_rows

COLUMNS = ("condition", "better", "worse", "dimensions", "why")


@dataclass(frozen=True, kw_only=True)
class KnownPair:
    """A clip, and one that is worse for a known reason, such as a damaged copy.

    Attributes:
        condition: id that both are of.
        better: clip id.
        worse: clip id.
        dimensions: in which it is worse; of others nobody knows.
        why: what a rater is told after the training, such as `the sound comes 5 frames late`.

    """

    condition: str
    better: str
    worse: str
    dimensions: tuple[str, ...]
    why: str


def read_known(path: Path, dimensions: Sequence[str]) -> tuple[KnownPair, ...]:
    """Read known pairs from a table with columns condition, better, worse, dimensions and why.

    Several dimensions are separated by `;`. Of those that the campaign doesn't ask about nothing
    is expected, and a pair of none that it asks about is left out.

    Raises:
        SheetError: the table is missing, broken or lacks a column.
        ChoiceError: a field is empty, a clip is compared with itself, or no pair is left.

    """
    table: Any = read_sheet(path, columns=COLUMNS)
    for column in COLUMNS:
        refuse_rows(path, table[column].isna(), f"has no {column}", error=ChoiceError)
    alike = table["better"].astype(str) == table["worse"].astype(str)
    refuse_rows(path, alike, "compares a clip with itself", error=ChoiceError)
    found = []
    for row in table.astype(str).itertuples(index=False):
        names = tuple(n for n in dimensions if n in {d.strip() for d in row.dimensions.split(";")})
        if names:
            found.append(
                KnownPair(
                    condition=row.condition,
                    better=row.better,
                    worse=row.worse,
                    dimensions=names,
                    why=row.why,
                )
            )
    if not found:
        raise ChoiceError(
            f"{path}: no pair is known in any of {', '.join(dimensions)}; its dimensions are "
            f"{', '.join(sorted(set(table['dimensions'].astype(str))))}"
        )
    return tuple(found)


def training(pair: KnownPair, campaign: str) -> Comparison:
    """Ask about a known pair in the training block, the order of its clips saying nothing."""
    turned = content_id([campaign, pair.better, pair.worse])[0] in "01234567"
    first, second = (pair.worse, pair.better) if turned else (pair.better, pair.worse)
    side = "second" if turned else "first"
    return Comparison(
        campaign=campaign,
        condition=pair.condition,
        first=first,
        second=second,
        kind="training",
        expected=dict.fromkeys(pair.dimensions, side),
    )


def gold(pair: KnownPair, campaign: str, chance: float) -> Comparison:
    """Ask about a known pair among the others.

    Args:
        pair: the pair.
        campaign: its id.
        chance: with which it was drawn.

    """
    return replace(training(pair, campaign), kind="gold", chance=chance)


def feedback(comparison: Comparison, left: str, said: str, dimension: str, why: str) -> str:
    """Tell a rater in training whether an answer was right, in the words of what they saw.

    Args:
        comparison: a training comparison.
        left: which clip was shown on the left, `first` or `second`.
        said: the answer as shown: left, right, tie or both_bad.
        dimension: what was asked.
        why: what is wrong with the worse clip.

    Returns:
        One sentence or two; for a dimension in which nothing is known, that any answer is fine.

    """
    right = comparison.expected.get(dimension)
    asked = dimension.replace("_", " ")
    if right is None:
        return f"{asked}: there is no known answer here."
    side = "left" if right == left else "right"
    verdict = "Right" if said == side else f"You said {said.replace('_', ' ')}"
    return f"{asked}: {verdict}; the {side} one is better. Of the other, {why}."
