"""How a rater works, from the rows as they are now."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from likeness.annotation.judgements import Judgement
from likeness.annotation.people.sequential import Alarm, watch

LEVEL = 0.95

_LONG_RUN = 0.001  # chance of a run of equal answers below which it is told
_ALIKE = 0.9  # share of views with one answer in all dimensions from which it is told
_FEW = 10  # views below which nothing is said of straight-lining


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share with its Wilson interval (1927) at 95 %.

    Attributes:
        value: 0..1; NaN where there is no trial.
        low: lower end; NaN likewise.
        high: upper end.
        trials: how many.

    """

    value: float
    low: float
    high: float
    trials: int

    @classmethod
    def of(cls, hits: float, trials: int) -> "Share":
        """Make the share of `hits`, not necessarily whole, among trials."""
        if not trials:
            return cls(value=math.nan, low=math.nan, high=math.nan, trials=0)
        from statsmodels.stats.proportion import proportion_confint

        ends = proportion_confint(hits, trials, 1 - LEVEL, method="wilson")
        low, high = np.clip(np.asarray(ends, dtype=float), 0, 1).tolist()
        return cls(value=hits / trials, low=low, high=high, trials=trials)


@dataclass(frozen=True, kw_only=True)
class RaterReport:
    """What a rater's judgements say of the rater.

    Attributes:
        rater: name.
        views: views judged, training included.
        gold: share of right answers to gold; a view counts once, by its dimensions' mean.
        training: the same of the training.
        repeats: share of dimensions answered alike when a question came again, likewise.
        seconds: median of a view; NaN where no view has a time.
        left: share of left among answers for a side, each view counting once.
        alike: share of views of three dimensions or more with one answer in all; NaN where there
            are none.
        run: longest run of one answer in one dimension, over consecutive views.
        alarm: of the sequential test.
        notes: what a manager should look at.

    """

    rater: str
    views: int
    gold: Share
    training: Share
    repeats: Share
    seconds: float
    left: Share
    alike: float
    run: int
    alarm: Alarm
    notes: tuple[str, ...]


def reports(judgements: Iterable[Judgement]) -> list[RaterReport]:
    """Report on each rater, by name."""
    mine: dict[str, list[Judgement]] = defaultdict(list)
    for one in judgements:
        mine[one.rater].append(one)
    return [report(name, mine[name]) for name in sorted(mine)]


def report(rater: str, judgements: Sequence[Judgement]) -> RaterReport:
    """Report on one rater, whose judgements are in the order of their views."""
    views = _by_view(judgements)
    seconds = [view[0].seconds for view in views if view[0].seconds is not None]
    whole = [len({one.shown for one in view}) == 1 for view in views if len(view) >= 3]
    alike = sum(whole) / len(whole) if whole else math.nan
    run, chance = _longest_run(judgements)
    left, alarm = _left(views), watch(judgements)
    notes = []
    if alarm.at is not None:
        notes.append(f"{alarm.suspicion}: the test raised an alarm at view {alarm.at}")
    if left.trials and not left.low <= 0.5 <= left.high:
        notes.append(f"takes {'left' if left.value > 0.5 else 'right'} more often than chance")
    if len(whole) >= _FEW and alike >= _ALIKE:
        notes.append(f"one answer in all dimensions on {100 * alike:.0f} % of views")
    if len(views) >= _FEW and chance < _LONG_RUN:
        notes.append(f"the same answer {run} times on end")
    return RaterReport(
        rater=rater,
        views=len(views),
        gold=_right(views, "gold"),
        training=_right(views, "training"),
        repeats=_repeated(judgements),
        seconds=float(median(seconds)) if seconds else math.nan,
        left=left,
        alike=alike,
        run=run,
        alarm=alarm,
        notes=tuple(notes),
    )


def _by_view(judgements: Sequence[Judgement]) -> list[list[Judgement]]:
    views: dict[str, list[Judgement]] = defaultdict(list)
    for one in judgements:
        views[one.assignment.id].append(one)
    return list(views.values())


def _right(views: list[list[Judgement]], kind: str) -> Share:
    shares = []
    for view in views:
        known = [one.right for one in view if one.kind == kind and one.right is not None]
        if known:
            shares.append(sum(known) / len(known))
    return Share.of(sum(shares), len(shares))


def _left(views: list[list[Judgement]]) -> Share:
    shares = []
    for view in views:
        sided = [one.shown == "left" for one in view if one.shown in {"left", "right"}]
        if sided:
            shares.append(sum(sided) / len(sided))
    return Share.of(sum(shares), len(shares))


def _repeated(judgements: Sequence[Judgement]) -> Share:
    """Share of dimensions answered alike, question against repeat; a repeat counts once."""
    first: dict[tuple[str, str, str, str], str] = {}
    again: dict[str, list[bool]] = defaultdict(list)
    for one in judgements:
        asked = one.comparison
        key = (asked.condition, asked.first, asked.second, one.dimension)
        if one.kind == "question":
            first[key] = one.said
        elif one.kind == "repeat" and key in first:
            again[one.assignment.id].append(first[key] == one.said)
    return Share.of(sum(sum(each) / len(each) for each in again.values()), len(again))


def _longest_run(judgements: Sequence[Judgement]) -> tuple[int, float]:
    """Longest run of one answer in a dimension, and a bound on its chance.

    The bound is of views in random order: length of the queue times share of the answer to the
    power of the run, times the number of answers looked at (Boole).
    """
    answers: dict[str, list[str]] = defaultdict(list)
    for one in judgements:
        answers[one.dimension].append(one.shown)
    longest, least = 0, 1.0
    for given in answers.values():
        runs: Counter[str] = Counter()
        length = 0
        for at, answer in enumerate(given):
            length = length + 1 if at and given[at - 1] == answer else 1
            runs[answer] = max(runs[answer], length)
        for answer, run in runs.items():
            # no rater who answers as asked gives one answer more often than that
            share = min(given.count(answer) / len(given), 0.6)
            chance = len(given) * share**run * len(runs) * len(answers)
            longest, least = max(longest, run), min(least, chance)
    return longest, least
