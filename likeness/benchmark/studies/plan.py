"""The plan of a study: what is asked of whom about which clips, and how it will be analysed.

A plan is written before the study and hashed when it opens. Its margin, level, method and the
share of failed checks from which a rater is left out are what the analysis does; everything else
that is done later is listed as a deviation.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.dimensions import dimensions_of
from likeness.store.recipes import RecipeBook

Kind = Literal["turing", "rating"]
Method = Literal["p910", "p913", "bt500", "plain"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A clip that is shown.

    Attributes:
        case: what clips have in common that can be compared: a person saying something.
        system: what made it, such as `base`; of real clips any name.
        file: path, relative to the plan's file, or a clip's id in the workspace.
        real: whether a camera (on the testbed, the testbed) made it.

    """

    case: str
    system: str
    file: str
    real: bool


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """What is fixed before a study opens.

    Attributes:
        name: heading of the pages.
        kind: turing or rating.
        clips: what is shown. A Turing test needs one real clip in each case, and others.
        references: of each case, another clip of the person, shown beside in a rating study.
        raters: links to make.
        cases_each: cases that a rater sees; 0 for all.
        training: clips or pairs at the beginning that don't count, obviously good or bad.
        checks: attention checks of each rater: a pair, or a clip, with one spoilt for all to see.
        traps: clips of each rater in which a line of text says what to answer; rating only.
        repeats: clips or pairs that each rater sees a second time.
        dimensions: `avatar-v` (six), `itu` (ten) or names of both; rating only.
        margin: how far from 0.5 an accuracy counts as chance.
        alpha: level of the tests.
        method: of mean opinion scores.
        failed_most: share of a rater's checks and traps; who fails more is left out.
        days: how long links hold.
        rater_sd: of raters' log-odds, assumed for the power.
        case_sd: of cases', likewise.
        score_sd: of ratings of one clip, likewise.
        seed: of allocation, orders and sides.

    Raises:
        StudyError: an attribute is out of its range, or the clips don't make a study.

    """

    name: str
    kind: Kind
    clips: tuple[Entry, ...]
    references: Mapping[str, str] | None = None
    raters: int = 12
    cases_each: int = 0
    training: int = 2
    checks: int = 2
    traps: int = 1
    repeats: int = 2
    dimensions: tuple[str, ...] = ("avatar-v",)
    margin: float = 0.05
    alpha: float = 0.05
    method: Method = "p910"
    failed_most: float = 0.5
    days: float = 30.0
    rater_sd: float = 0.4
    case_sd: float = 0.6
    score_sd: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise StudyError("plan.name must not be empty: raters see it")
        if not 1 <= self.raters <= 5000:
            raise StudyError(f"plan.raters must be 1 to 5000, got {self.raters}")
        for field in ("cases_each", "training", "checks", "traps", "repeats", "seed"):
            if getattr(self, field) < 0:
                raise StudyError(f"plan.{field} must be 0 or more, got {getattr(self, field)}")
        for field, top in (("margin", 0.5), ("alpha", 0.5), ("days", 3650.0)):
            if not 0 < getattr(self, field) < top:
                raise StudyError(
                    f"plan.{field} must lie between 0 and {top:g}, got {getattr(self, field):g}"
                )
        for field in ("rater_sd", "case_sd", "score_sd"):
            if getattr(self, field) < 0:
                raise StudyError(f"plan.{field} must be 0 or more, got {getattr(self, field):g}")
        if not 0 <= self.failed_most <= 1:
            raise StudyError(f"plan.failed_most must be 0 to 1, got {self.failed_most:g}")
        if self.kind == "rating":
            dimensions_of(self.dimensions)
        self._check_clips()

    @property
    def cases(self) -> tuple[str, ...]:
        """Return the cases in the order of the clips."""
        return tuple(dict.fromkeys(entry.case for entry in self.clips))

    @property
    def seen(self) -> int:
        """How many cases a rater sees."""
        return self.cases_each or len(self.cases)

    def real_of(self, case: str) -> Entry:
        """Return the real clip of a case of a Turing test."""
        return next(entry for entry in self.clips if entry.case == case and entry.real)

    def made_of(self, case: str) -> tuple[Entry, ...]:
        """Return what a case's item can be: generated clips, or in a rating study all."""
        return tuple(
            entry
            for entry in self.clips
            if entry.case == case and not (self.kind == "turing" and entry.real)
        )

    def _check_clips(self) -> None:
        if not self.clips:
            raise StudyError("plan.clips is empty: a study shows clips")
        twice = [k for k, n in Counter((e.case, e.system) for e in self.clips).items() if n > 1]
        if twice:
            raise StudyError(f"plan.clips has case {twice[0][0]} of {twice[0][1]} more than once")
        if self.cases_each > len(self.cases):
            raise StudyError(
                f"plan.cases_each is {self.cases_each}, and there are {len(self.cases)} cases"
            )
        if self.kind == "turing":
            kinds: dict[str, Counter[bool]] = defaultdict(Counter)
            for entry in self.clips:
                kinds[entry.case][entry.real] += 1
            for case, count in kinds.items():
                if count[True] != 1 or not count[False]:
                    raise StudyError(
                        f"case {case} has {count[True]} real and {count[False]} generated clips; "
                        "a Turing test puts one real clip beside a generated one"
                    )
            return
        if missing := set(self.cases) - set(self.references or {}):
            needing = [d.name for d in dimensions_of(self.dimensions) if d.reference]
            if needing:
                raise StudyError(
                    f"{', '.join(needing)} can't be rated without knowing the person: case "
                    f"{min(missing)} has no reference; give plan.references, or leave them out"
                )


PLANS = RecipeBook(config=StudyPlan, package="likeness.benchmark.studies", root="plan")


def read_plan(path: Path) -> StudyPlan:
    """Read a plan from a TOML file.

    Raises:
        LikenessError: there is no such file, a key is unknown, or a value is out of its range.

    """
    return PLANS.load(path if path.suffix == ".toml" else path.with_suffix(".toml"))
