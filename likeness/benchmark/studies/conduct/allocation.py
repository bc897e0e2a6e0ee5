"""Who sees which items, in which order, and on which side the real clip stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from likeness.annotation.choice.dealing import GAP, opaque
from likeness.benchmark.studies.plan import StudyPlan

Purpose = Literal["training", "item", "repeat", "check", "trap"]
Side = Literal["left", "right"]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question to one rater.

    Attributes:
        key: 32 hex digits that say nothing; the name of the media in addresses.
        item: key of what is shown, in the deal.
        purpose: why it is shown. Only `item` counts in the analysis of a Turing test, `item` and
            `repeat` in that of a rating study.
        real_side: where the real clip stands; None in a rating study.

    """

    key: str
    item: str
    purpose: Purpose
    real_side: Side | None


def williams(size: int) -> np.ndarray:
    """Orders of `size` things, balanced for place and for what comes right before.

    A Latin square whose every ordered pair of neighbours occurs equally often (Williams 1949).

    Returns:
        (size, size) for an even size, (2 size, size) for an odd one; each row is a permutation.

    """
    zigzag = [0]
    for step in range(1, size):
        zigzag.append((zigzag[-1] + (step if step % 2 else -step)) % size)
    rows = (np.array(zigzag)[None] + np.arange(size)[:, None]) % size
    return rows if size % 2 == 0 else np.concatenate([rows, rows[:, ::-1]])


def seen_by(plan: StudyPlan, rng: np.random.Generator) -> list[list[tuple[str, str]]]:
    """Draw which case and system each rater sees, in order.

    Every case is seen equally often, give or take one. A rater sees one system of a case of a
    Turing test, since the real clip would be known the second time: systems go over raters and
    cases in a Latin square. In a rating study a rater sees all clips of each of their cases.
    """
    cases = [plan.cases[i] for i in rng.permutation(len(plan.cases))]
    made = {case: plan.made_of(case) for case in cases}
    turn = {case: number % len(made[case]) for number, case in enumerate(cases)}
    dealt: list[list[tuple[str, str]]] = []
    for rater in range(plan.raters):
        start = rater * plan.seen % len(cases)
        mine = [cases[(start + step) % len(cases)] for step in range(plan.seen)]
        if plan.kind == "turing":
            found = [
                (case, made[case][(turn[case] + rater) % len(made[case])].system) for case in mine
            ]
        else:
            found = [(case, entry.system) for case in mine for entry in made[case]]
        dealt.append(found)
    orders = {size: williams(size) for size in {len(found) for found in dealt}}
    who = rng.permutation(plan.raters)
    for rater, found in enumerate(dealt):
        rows = orders[len(found)]
        dealt[rater] = [found[i] for i in rows[who[rater] % len(rows)]]
    return dealt


def sides(dealt: Sequence[Sequence[tuple[str, str]]], rng: np.random.Generator) -> list[list[Side]]:
    """Draw where real clips stand: half of each rater's and half of each item's are left.

    Give or take one, where every rater sees every item; a rater's pattern can't be learnt from
    its beginning, because the order of items is another draw.
    """
    items = sorted({item for mine in dealt for item in mine})
    base = dict(zip(items, rng.permutation(np.arange(len(items)) % 2).tolist(), strict=True))
    flip = rng.permutation(np.arange(len(dealt)) % 2).tolist()
    return [
        ["left" if base[item] ^ flip[rater] else "right" for item in mine]
        for rater, mine in enumerate(dealt)
    ]


def deal(plan: StudyPlan, extras: Mapping[str, Sequence[str]]) -> list[list[Trial]]:
    """Draw every rater's trials.

    Args:
        plan: of the study.
        extras: keys of the items of `training`, `check` and `trap`; each rater gets as many of
            them as the plan says, the next in turn.

    """
    rng = np.random.default_rng(plan.seed)
    dealt = seen_by(plan, rng)
    places = sides(dealt, rng)
    return [_queue(plan, dealt[r], places[r], extras, (r, rng)) for r in range(plan.raters)]


def key_of(case: str, system: str) -> str:
    """Name an item by what it shows."""
    return f"{case}/{system}"


def _queue(
    plan: StudyPlan,
    mine: Sequence[tuple[str, str]],
    places: Sequence[Side],
    extras: Mapping[str, Sequence[str]],
    turn: tuple[int, np.random.Generator],
) -> list[Trial]:
    rater, rng = turn
    turing = plan.kind == "turing"

    def trial(item: str, purpose: Purpose, side: Side) -> Trial:
        return Trial(
            key=opaque(rng), item=item, purpose=purpose, real_side=side if turing else None
        )

    def other(purpose: Purpose, count: int) -> list[Trial]:
        known = extras.get(purpose, ())
        order: list[Side] = ["left", "right"] if rng.random() < 0.5 else ["right", "left"]
        return [
            trial(known[(rater * count + i) % len(known)], purpose, order[i % 2])
            for i in range(count if known else 0)
        ]

    queue = [trial(key_of(*item), "item", side) for item, side in zip(mine, places, strict=True)]
    for number in sorted(rng.permutation(len(mine))[: plan.repeats].tolist(), reverse=True):
        # the other way round, as late as can be told from the first time
        side: Side = "right" if places[number] == "left" else "left"
        earliest = min(number + 1 + GAP, len(queue))
        at = int(rng.integers(earliest, len(queue) + 1))
        queue.insert(at, trial(key_of(*mine[number]), "repeat", side))
    watched = other("check", plan.checks) + other("trap", 0 if turing else plan.traps)
    for place, extra in enumerate(watched):
        # one in each stretch, so that attention is looked at throughout
        stretch = len(queue) / len(watched)
        low, high = round(place * stretch), round((place + 1) * stretch)
        queue.insert(min(int(rng.integers(low, high + 1)), len(queue)), extra)
    return other("training", plan.training) + queue
