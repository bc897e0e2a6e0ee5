"""How much better a sample is than the others of its group."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from likeness.alignment.grpo.judging import Judgement
from likeness.alignment.grpo.settings import RewardTerm, Scale
from likeness.store.errors import LikenessError

EPSILON = 1e-4  # Flow-GRPO's, added to each std
LEAST = 2  # samples with a reward that a group needs


class RewardError(LikenessError):
    """Rewards that nothing can be learnt from."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Advantages:
    """What became of the rewards of a rollout.

    Attributes:
        values: (N,) float32; 0 where a sample doesn't count.
        counts: (N,) bool: samples with all rewards, in groups of two or more such.
        spread: (N,) bool: samples that count and whose group differs in some reward or veto.
        vetoed: (N,) bool: samples outside of a reward's limits.
        left_out: how many samples don't count, by reason.

    """

    values: Tensor
    counts: Tensor
    spread: Tensor
    vetoed: Tensor
    left_out: Mapping[str, int]

    @property
    def zero_std(self) -> float:
        """Share of the samples that count whose group doesn't differ: they teach nothing."""
        return 1 - float(self.spread.sum() / self.counts.sum())


def advantages(  # noqa: PLR0913 the ways to scale are options of one function of rewards and groups
    judgement: Judgement,
    keys: Sequence[Hashable],
    terms: Mapping[str, RewardTerm],
    *,
    scale: Scale = "group",
    ddof: int = 0,
    clamp: float = 5.0,
    veto_weight: float = 2.0,
) -> Advantages:
    """Normalise each reward within its groups, then weigh and add.

    A veto is one more reward: 0 for samples outside of a limit, 1 for the others. A vetoed sample
    has no other reward and stays out of the others' means.

    Args:
        judgement: rewards (N,) by name, NaN where missing.
        keys: group of each sample: (reference, audio, scene).
        terms: weight and limits of each reward.
        scale: what a reward's distance to the mean of its group is divided by: the std of the
            group ("group"), that of all samples about their mean ("global": Flow-GRPO's
            global_std), the largest of the groups' ("max_group"), or 1 ("none").
        ddof: of these stds: 0 as numpy's and Flow-GRPO's, 1 as torch's and trl's. At a group of 4
            they differ by 15 %.
        clamp: no advantage is further from 0.
        veto_weight: of the veto, times the other weights' sum. At 2 and scale "group" no vetoed
            sample is above another one in groups of up to 27.

    Raises:
        RewardError: no sample counts; the message says why.

    """
    known, reasons = _known(judgement, terms)
    vetoed = known & _vetoed(judgement, terms)
    members = _members(keys)
    for key, rows in members.items():
        alone = rows[known[rows]]
        if len(alone) < LEAST:
            known[alone] = False
            reasons["no other sample of its group has a reward"] += len(alone)
        members[key] = rows[known[rows]]
    groups = [rows for rows in members.values() if len(rows)]
    if not groups:
        whys = "; ".join(f"{count} samples: {why}" for why, count in (+reasons).items())
        raise RewardError(f"no sample has rewards to learn from: {whys}")
    total, spread = torch.zeros(len(keys), dtype=torch.float64), torch.zeros(len(keys)).bool()
    weighted = {name: term.weight for name, term in terms.items() if term.weight}
    sound = [rows[~vetoed[rows]] for rows in groups]
    columns = [
        (weight, judgement.values[name].double(), sound) for name, weight in weighted.items()
    ]
    veto = (~vetoed).double()
    columns.append((veto_weight * sum(map(abs, weighted.values())), veto, groups))
    for weight, values, rows in columns:
        apart, differing = _normalised(values, rows, scale, ddof)
        total += weight * apart
        for group in groups:
            spread[group] |= bool(differing[group].any())
    return Advantages(
        values=total.clamp(-clamp, clamp).float(),
        counts=known,
        spread=spread & known,
        vetoed=vetoed,
        left_out=dict(reasons),
    )


def evenly(wanted: Sequence[Sequence[bool]]) -> list[list[int]]:
    """Choose the groups that each rank learns from, as many on every rank.

    All ranks must take the same number of steps, or they wait for each other for ever. Groups stay
    on the rank that drew them; a rank with fewer wanted ones is filled up with its others, whose
    advantages are 0.

    Args:
        wanted: of each rank, whether each of its groups has a spread; all of the same length.

    Returns:
        Numbers of groups by rank, ascending; none at all where no rank wants one.

    """
    if len({len(rank) for rank in wanted}) > 1:
        raise ValueError("every rank draws the same number of groups")
    most = max(map(sum, wanted), default=0)
    return [sorted(_wanted_first(rank)[:most]) for rank in wanted]


def _wanted_first(rank: Sequence[bool]) -> list[int]:
    return sorted(range(len(rank)), key=lambda group: not rank[group])


def _known(judgement: Judgement, terms: Mapping[str, RewardTerm]) -> tuple[Tensor, Counter[str]]:
    """Tell which samples have every reward that has a weight, and why the others don't."""
    known = torch.ones(judgement.size, dtype=torch.bool)
    reasons: Counter[str] = Counter()
    for name in (name for name, term in terms.items() if term.weight):
        lacking = ~torch.isfinite(judgement.values[name]) & known
        for row in lacking.nonzero().flatten().tolist():
            reasons[f"{name}: {judgement.reasons[row].get(name, 'not a number')}"] += 1
        known &= ~lacking
    return known, reasons


def _vetoed(judgement: Judgement, terms: Mapping[str, RewardTerm]) -> Tensor:
    vetoed = torch.zeros(judgement.size, dtype=torch.bool)
    for name, term in terms.items():
        values = judgement.values[name]
        if term.least is not None:
            vetoed |= values < term.least
        if term.most is not None:
            vetoed |= values > term.most
    return vetoed


def _members(keys: Sequence[Hashable]) -> dict[Hashable, Tensor]:
    """Rows of each group, in order of appearance."""
    found: dict[Hashable, list[int]] = {}
    for row, key in enumerate(keys):
        found.setdefault(key, []).append(row)
    return {key: torch.tensor(rows) for key, rows in found.items()}


def _normalised(
    values: Tensor, groups: Sequence[Tensor], scale: Scale, ddof: int
) -> tuple[Tensor, Tensor]:
    """Distance to the group's mean over a std, 0 elsewhere; and which rows' groups differ."""
    apart, differing = torch.zeros_like(values), torch.zeros(len(values), dtype=torch.bool)
    large = [rows for rows in groups if len(rows) >= LEAST]
    stds = [float(values[rows].std(correction=ddof)) for rows in large]
    everything = torch.cat(large) if large else torch.zeros(0, dtype=torch.long)
    for rows, std in zip(large, stds, strict=True):
        if values[rows].max() == values[rows].min():
            continue
        divisor = {
            "group": std,
            "global": float(values[everything].std(correction=ddof)),
            "max_group": max(stds),
            "none": 1 - EPSILON,
        }[scale]
        apart[rows] = (values[rows] - values[rows].mean()) / (divisor + EPSILON)
        differing[rows] = True
    return apart, differing
