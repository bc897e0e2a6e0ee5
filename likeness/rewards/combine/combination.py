"""Several rewards as one: normalise, weight, veto.

A plain weighted sum can be bought: a picture so sharp that nobody minds the mouth. So each reward
may have limits of its own, outside of which nothing else counts.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from likeness.store.errors import LikenessError
from likeness.store.records import Score


class CombinationError(LikenessError):
    """A combination that can't be: nothing to weigh, or limits that leave nothing between."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """How one reward counts.

    Attributes:
        weight: how much, 0 or more; 0 for a reward that only vetoes.
        zero: the value that becomes 0.
        one: the value that becomes 1, other than `zero`; below it where less is better. For a mean
            of 5 and a deviation of 2, zero is 5 and one is 7.
        cap: a normalised value above it counts as it; None for no cap.
        least, most: a value outside of them makes the total the worst; None for no limit.
        optional: whether a missing value only lowers the coverage; else the total is missing too.

    """

    weight: float = 1.0
    zero: float = 0.0
    one: float = 1.0
    cap: float | None = None
    least: float | None = None
    most: float | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise CombinationError(f"combine: a weight must be 0 or more, got {self.weight}")
        if self.one == self.zero:
            raise CombinationError(f"combine: zero and one must differ, both are {self.zero}")
        if self.least is not None and self.most is not None and self.least >= self.most:
            raise CombinationError(
                f"combine: least must be under most, got {self.least} and {self.most}"
            )
        if self.weight == 0 and self.least is None and self.most is None:
            raise CombinationError("combine: a term of weight 0 must have a least or a most")

    def normalise(self, value: float) -> float:
        """Bring a value to the scale on which `zero` is 0 and `one` is 1."""
        scaled = (value - self.zero) / (self.one - self.zero)
        return scaled if self.cap is None else min(scaled, self.cap)

    def veto(self, name: str, value: float) -> str | None:
        """Say which limit a value breaks, or None."""
        if self.least is not None and value < self.least:
            return f"{name} is {value:.3g}, at least {self.least:g} needed"
        if self.most is not None and value > self.most:
            return f"{name} is {value:.3g}, at most {self.most:g} allowed"
        return None


@dataclass(frozen=True, kw_only=True)
class Total:
    """What became of a clip's scores.

    Attributes:
        value: the weighted mean of the normalised rewards, the worst under a veto, or NaN.
        reason: which limits were broken or what is missing; None where nothing is.
        parts: what each known reward adds to the mean.
        vetoes: the rewards whose limits are broken.
        coverage: share of the weights whose rewards are known, 0..1.

    """

    value: float
    reason: str | None
    parts: Mapping[str, float]
    vetoes: tuple[str, ...]
    coverage: float


@dataclass(frozen=True, kw_only=True)
class Combination:
    """How rewards become one.

    Attributes:
        terms: by the reward's name in scores.
        worst: the total of a clip that is vetoed; no total is below it.

    """

    terms: Mapping[str, Term] = field(default_factory=dict)
    worst: float = -10.0

    def __post_init__(self) -> None:
        if not any(term.weight > 0 for term in self.terms.values()):
            raise CombinationError("combine.terms must have at least one of a weight above 0")

    def total(self, scores: Iterable[Score]) -> Total:
        """Combine the scores of one clip; those of rewards that are no terms are left alone.

        A broken limit goes before what is missing: such a clip is the worst whatever else it may
        be. A missing value makes the total NaN unless its term is optional; then the mean is over
        the others, and the coverage tells.

        Raises:
            CombinationError: two scores of one reward.

        """
        found: dict[str, Score] = {}
        for score in scores:
            if score.reward in found:
                raise CombinationError(
                    f"combine: two scores of {score.reward} for {score.clip}; give one clip's"
                )
            found[score.reward] = score
        known = {
            name: found[name].value
            for name in self.terms
            if name in found and not math.isnan(found[name].value)
        }
        whole = math.fsum(term.weight for term in self.terms.values())
        weight = math.fsum(self.terms[name].weight for name in known)
        parts = {
            name: self.terms[name].weight * self.terms[name].normalise(value) / weight
            for name, value in known.items()
            if self.terms[name].weight > 0
        }
        broken = {n: why for n, v in known.items() if (why := self.terms[n].veto(n, v))}
        value, reason = self._judge(found, known, parts, broken)
        return Total(
            value=value,
            reason=reason,
            parts=parts,
            vetoes=tuple(broken),
            coverage=weight / whole,
        )

    def _judge(
        self,
        found: Mapping[str, Score],
        known: Mapping[str, float],
        parts: Mapping[str, float],
        broken: Mapping[str, str],
    ) -> tuple[float, str | None]:
        if broken:
            return self.worst, "; ".join(broken.values())
        lacking = [n for n, term in self.terms.items() if n not in known and not term.optional]
        if lacking or not parts:
            names = lacking or list(self.terms)
            whys = (
                f"{n}: {(found[n].reason if n in found else None) or 'not scored'}" for n in names
            )
            return math.nan, "; ".join(whys)
        return max(self.worst, math.fsum(parts.values())), None
