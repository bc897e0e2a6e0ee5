"""What a study as it was dealt can show, told before it opens."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import t

from likeness.benchmark.studies.conduct.allocation import Trial
from likeness.benchmark.studies.plan import StudyPlan
from likeness.benchmark.studies.power import Plan, centre_of
from likeness.benchmark.studies.proportions import clustered, equivalence

ACCURACIES = (0.55, 0.6, 0.65, 0.7, 0.8)
STUDIES = 200


def foresee(
    plan: StudyPlan, trials: Mapping[str, Sequence[Trial]], studies: int = STUDIES
) -> dict[str, Any]:
    """Simulate a Turing test, or work out the intervals of a rating study.

    Args:
        plan: its standard deviations are assumed.
        trials: of each rater.
        studies: simulated for each accuracy.

    Returns:
        Of a Turing test `equivalence`, the chance to show that people are at chance when they
        are, and `difference`, by true accuracy the chance to show that they are not. Of a rating
        study `half_width`, that of a clip's 95 % interval, None with one rater a clip.

    """
    counted = [
        (code, trial.item)
        for code, queue in enumerate(trials.values())
        for trial in queue
        if trial.purpose == "item"
    ]
    rater = np.array([code for code, _ in counted])
    items, item = np.unique([name for _, name in counted], return_inverse=True)
    seen = np.bincount(item)
    told: dict[str, Any] = {
        "raters": len(trials),
        "items": len(items),
        "answers": len(counted),
        "raters_an_item": [int(seen.min()), int(seen.max())],
    }
    if plan.kind == "rating":
        count = int(seen.min())
        reach = t.ppf(0.975, count - 1) * plan.score_sd / np.sqrt(count) if count > 1 else None
        return {**told, "half_width": None if reach is None else float(reach)}
    asked = Plan(margin=plan.margin, alpha=plan.alpha, rater_sd=plan.rater_sd, case_sd=plan.case_sd)
    rng = np.random.default_rng(plan.seed)
    rivals = [replace(asked, aim="difference", accuracy=accuracy) for accuracy in ACCURACIES]
    shares = [_power(one, rater, item, studies, rng) for one in (asked, *rivals)]
    return {
        **told,
        "equivalence": shares[0],
        "difference": dict(zip(map(str, ACCURACIES), shares[1:], strict=True)),
    }


def _power(
    plan: Plan, rater: np.ndarray, case: np.ndarray, studies: int, rng: np.random.Generator
) -> float:
    """Share of simulated studies with these answers that show what the plan asks."""
    centre, shown = centre_of(plan), 0
    for _ in range(studies):
        of_raters = rng.normal(0, plan.rater_sd, rater.max() + 1)
        of_cases = rng.normal(0, plan.case_sd, case.max() + 1)
        right = rng.random(len(rater)) < expit(centre + of_raters[rater] + of_cases[case])
        found, hits = clustered(right, rater, case), int(right.sum())
        if plan.aim == "equivalence":
            told = equivalence(found, hits, len(right), plan.margin, plan.alpha)
            shown += told.equivalent
        elif found.error > 0:
            reach = abs(found.share - 0.5) / found.error
            shown += 2 * float(t.sf(reach, found.freedom)) < plan.alpha
    return shown / studies
