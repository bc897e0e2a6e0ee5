"""Raters and cases apart: a logistic model with a random effect of each."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import norm

from likeness.benchmark.studies.answers import Answers


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Log-odds of a right answer = mean + side + rater's effect + case's effect.

    Fitted by variational Bayes (statsmodels' BinomialBayesMixedGLM, whose priors are normal: sd 2
    of the mean and the side, sd 1 of the logarithms of the two deviations).

    Attributes:
        mean: log-odds of an average rater on an average case.
        mean_sd: its posterior standard deviation.
        accuracy: chance that goes with the mean.
        low: lower end of its 95 % interval.
        high: upper end.
        side: how much higher the log-odds are where the real clip is on the left; NaN where it
            always was on one side.
        rater_sd: standard deviation of raters' effects, in log-odds; NaN with fewer than two.
        case_sd: that of cases' effects.
        reason: why there is no model, else None.

    """

    mean: float = math.nan
    mean_sd: float = math.nan
    accuracy: float = math.nan
    low: float = math.nan
    high: float = math.nan
    side: float = math.nan
    rater_sd: float = math.nan
    case_sd: float = math.nan
    reason: str | None = None


def mixed_model(answers: Answers) -> Mixed:
    """Fit the model, or say why it can't be."""
    right = answers.correct
    if right.all() or not right.any():
        return Mixed(reason="every answer is right" if right.all() else "every answer is wrong")
    groups = {
        name: codes
        for name, codes in (("rater", answers.rater), ("case", answers.case))
        if len(np.unique(codes)) > 1
    }
    if not groups:
        return Mixed(reason="there is one rater and one case")
    sides = 0 < answers.real_left.sum() < len(right)
    fitted = _fit(right, answers.real_left if sides else None, groups)
    spread = dict(zip(groups, np.exp(fitted.vcp_mean), strict=True))
    mean, sd = float(fitted.fe_mean[0]), float(fitted.fe_sd[0])
    z = float(norm.ppf(0.975))
    return Mixed(
        mean=mean,
        mean_sd=sd,
        accuracy=float(expit(mean)),
        low=float(expit(mean - z * sd)),
        high=float(expit(mean + z * sd)),
        side=float(fitted.fe_mean[1]) if sides else math.nan,
        rater_sd=float(spread.get("rater", math.nan)),
        case_sd=float(spread.get("case", math.nan)),
    )


def _fit(right: np.ndarray, real_left: np.ndarray | None, groups: dict[str, np.ndarray]) -> Any:
    from scipy.sparse import csr_array, hstack
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    fixed = [np.ones(len(right))]
    if real_left is not None:
        fixed.append(real_left - 0.5)
    designs, kinds = [], []
    for number, codes in enumerate(groups.values()):
        _, of = np.unique(codes, return_inverse=True)
        size = int(of.max()) + 1
        rows = np.arange(len(of))
        designs.append(csr_array((np.ones(len(of)), (rows, of)), shape=(len(of), size)))
        kinds.append(np.full(size, number))
    model = BinomialBayesMixedGLM(
        right.astype(float),
        np.stack(fixed, axis=1),
        hstack(designs, format="csr"),
        np.concatenate(kinds),
        vcp_p=1,
        fe_p=2,
    )
    # statsmodels draws its start where none is given, and the same answers would fit differently
    start = np.full(model.k_fep + model.k_vcp + model.k_vc, np.exp(-0.5))
    return model.fit_vb(sd=start)
