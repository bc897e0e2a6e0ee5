"""Who is asked what, in which order, and which clip stands left."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from likeness.annotation.choice.candidates import ChoiceError
from likeness.store.judgements import Side

BLOCK = 10
"""Views of a rater's queue in which each of the two clips stands left exactly half the time."""

GAP = 10
"""Views between a question and its repeat, where the queue is long enough."""

Question = tuple[str, int]  # kind, and number among the comparisons of that kind


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What is mixed in among the questions.

    Attributes:
        gold: share of a rater's views after the training that have known answers, 0..0.5.
        repeats: share that repeat a question, 0..0.5.
        training: views of the training block.

    """

    gold: float = 0.1
    repeats: float = 0.05
    training: int = 0

    def __post_init__(self) -> None:
        for name in ("gold", "repeats"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise ChoiceError(f"{name} must be between 0 and 0.5, got {getattr(self, name)}")
        if self.training < 0:
            raise ChoiceError(f"training must be 0 or more views, got {self.training}")

    def extra(self, questions: int) -> tuple[int, int]:
        """Say how many gold pairs and repeats go with a number of questions."""
        total = questions / (1 - self.gold - self.repeats) if self.gold + self.repeats < 1 else 0
        return round(self.gold * total), min(round(self.repeats * total), questions)


def overlapping(
    questions: int, raters: int, overlap: int, rng: np.random.Generator
) -> list[list[int]]:
    """Deal each question to `overlap` different raters, so that loads differ by one at most.

    Returns:
        The questions of each rater, by number.

    Raises:
        ChoiceError: there are fewer raters than the overlap.

    """
    if not 1 <= overlap <= raters:
        raise ChoiceError(
            f"an overlap of {overlap} needs as many raters, there are {raters}; name more with "
            "--raters or lower --overlap"
        )
    load = np.zeros(raters, int)
    dealt: list[list[int]] = [[] for _ in range(raters)]
    for question in range(questions):
        # the least busy ones, who among equals is drawn
        chosen = np.lexsort((rng.random(raters), load))[:overlap]
        load[chosen] += 1
        for rater in chosen.tolist():
            dealt[rater].append(question)
    return dealt


def queue(
    questions: Sequence[int], known: int, shares: Shares, rng: np.random.Generator
) -> list[Question]:
    """Order one rater's views: training first, then questions, gold and repeats mixed.

    Training takes the known pairs from 0 on, gold draws of those after it. A repeat comes `GAP`
    views or more after its question, or as late as the queue allows.

    Args:
        questions: numbers of the questions dealt to the rater.
        known: how many known pairs there are.
        shares: what is mixed in.
        rng: where the order comes from.

    Raises:
        ChoiceError: there are too few known pairs.

    """
    golds, repeats = shares.extra(len(questions))
    if known < shares.training + golds:
        raise ChoiceError(
            f"a rater needs {shares.training} known pairs to train on and {golds} mixed in, and "
            f"{known} are given; give more, or lower --training or --gold"
        )
    drawn = shares.training + rng.permutation(known - shares.training)[:golds]
    mixed: list[Question] = [("question", q) for q in questions]
    mixed += [("gold", int(g)) for g in drawn]
    mixed = [mixed[i] for i in rng.permutation(len(mixed))]
    mixed = _with_repeats(mixed, repeats, rng)
    return [("training", t) for t in range(shares.training)] + mixed


def sides(views: int, rng: np.random.Generator) -> list[Side]:
    """Draw which clip stands left in each view: in every `BLOCK`, each of the two half the time.

    In a last block of odd length one of them, drawn, stands left once more.
    """
    drawn: list[Side] = []
    while len(drawn) < views:
        size = min(BLOCK, views - len(drawn))
        block: list[Side] = ["first", "second"] * (size // 2)
        if size % 2:
            block.append("first" if rng.random() < 0.5 else "second")
        drawn += [block[i] for i in rng.permutation(size)]
    return drawn


def opaque(rng: np.random.Generator) -> str:
    """Draw a name that says nothing, 32 hex digits."""
    return rng.bytes(16).hex()


def _with_repeats(mixed: list[Question], count: int, rng: np.random.Generator) -> list[Question]:
    asked = [at for at, (kind, _) in enumerate(mixed) if kind == "question"]
    if not count:
        return mixed
    gap = min(GAP, max(len(mixed) // 2, 1))
    early = [at for at in asked if at + gap <= len(mixed)]
    chosen = sorted(rng.permutation(early if len(early) >= count else asked)[:count].tolist())
    # A repeat stands before what is at its place now; from the last on, places don't shift.
    inserted = [(int(rng.integers(min(at + gap, len(mixed)), len(mixed) + 1)), at) for at in chosen]
    result = list(mixed)
    for place, at in sorted(inserted, reverse=True):
        result.insert(place, ("repeat", mixed[at][1]))
    return result
