"""Analysis of a Turing test: whether people tell the real clip from the generated one beside it."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from likeness.benchmark.studies.answers import Answers, StudyError
from likeness.benchmark.studies.mixed import mixed_model
from likeness.benchmark.studies.proportions import (
    Clustered,
    clopper_pearson,
    clustered,
    d_prime,
    equivalence,
    short_of_certain,
    wilson,
)

MARGIN = 0.05
ALPHA = 0.05


def analyse(answers: Answers, margin: float = MARGIN, alpha: float = ALPHA) -> dict[str, Any]:
    """Analyse all of a test's answers.

    Args:
        answers: who said what.
        margin: how far from one half an accuracy still counts as chance.
        alpha: level of the tests.

    Returns:
        Plain values; docs/studies.md says what each means. NaN is missing, with a reason in
        `notes`.

    Raises:
        StudyError: the margin is not between 0 and 0.5.

    """
    if not 0 < margin < 0.5:
        raise StudyError(f"the margin must lie between 0 and 0.5, got {margin}")
    right = answers.correct
    hits, trials = int(right.sum()), len(right)
    found = clustered(right, answers.rater, answers.case)
    low, high = found.interval()
    return {
        "kind": "turing",
        "answers": trials,
        "raters": len(np.unique(answers.rater)),
        "cases": len(answers.cases),
        "correct": hits,
        "accuracy": found.share,
        "accuracy_wilson": wilson(hits, trials),
        "accuracy_clopper_pearson": clopper_pearson(hits, trials),
        "accuracy_clustered": (low, high),
        "p_chance": float(binomtest(hits, trials).pvalue),
        **_sensitivity(found, trials),
        **position(answers),
        **fooled(answers),
        "equivalence": asdict(equivalence(found, hits, trials, margin, alpha)),
        "mixed_model": asdict(mixed_model(answers)),
        "per_rater": _raters(answers),
        "per_case": _cases(answers),
        "notes": _notes(answers, found),
    }


def _sensitivity(found: Clustered, trials: int) -> dict[str, Any]:
    low, high = found.interval()
    share = short_of_certain(found.share, trials)
    ends = tuple(
        d_prime(end) if 0 < end < 1 else math.copysign(math.inf, end - 0.5) for end in (low, high)
    )
    return {
        "d_prime": d_prime(share),
        "d_prime_interval": tuple(math.nan if math.isinf(end) else end for end in ends),
        "d_prime_corrected": share != found.share,
    }


def position(answers: Answers) -> dict[str, Any]:
    """Tell how much the left is preferred, whatever is there.

    The bias is the mean of the shares of "left" where the real clip was on the left and where it
    was on the right, less one half; with it d' is (z(first) - z(second)) / sqrt(2).
    """
    sides = [answers.chose_left[answers.real_left], answers.chose_left[~answers.real_left]]
    if not all(len(side) for side in sides):
        return {"position_bias": math.nan, "position_bias_interval": (math.nan, math.nan)} | {
            "left_share": float(answers.chose_left.mean()),
            "d_prime_without_bias": math.nan,
        }
    shares = [float(side.mean()) for side in sides]
    error = math.sqrt(sum(s * (1 - s) / len(x) for s, x in zip(shares, sides, strict=True))) / 2
    bias, reach = sum(shares) / 2 - 0.5, float(norm.ppf(0.975)) * error
    first, second = (
        float(norm.ppf(short_of_certain(s, len(x)))) for s, x in zip(shares, sides, strict=True)
    )
    return {
        "position_bias": bias,
        "position_bias_interval": (max(bias - reach, -0.5), min(bias + reach, 0.5)),
        "left_share": float(answers.chose_left.mean()),
        "d_prime_without_bias": (first - second) / math.sqrt(2),
    }


def fooled(answers: Answers) -> dict[str, float]:
    """Count the cases that fooled somebody, beside what independent raters would give."""
    wrong, seen = _by_case(answers)
    accuracy = float(answers.correct.mean())
    own = _share(answers.rater, answers.correct, len(answers.raters))
    log_own = np.log(np.maximum(own, 1e-300))[answers.rater]
    spared = np.exp(np.bincount(answers.case, weights=log_own, minlength=len(seen)))
    return {
        "fooled_any": float((wrong > 0).mean()),
        "fooled_majority": float((wrong > seen / 2).mean()),
        "expected_fooled_any": float((1 - accuracy**seen).mean()),
        "expected_fooled_majority": _expected_majority(seen, 1 - accuracy),
        "expected_fooled_any_unequal": float((1 - spared).mean()),
        "ceiling_fooled_any": min(1.0, float(wrong.sum() / len(seen))),
    }


def _expected_majority(seen: np.ndarray, chance: float) -> float:
    """Share of cases in which more than half of so many independent raters are fooled."""
    from scipy.stats import binom

    return float(binom.sf(np.floor(seen / 2), seen, chance).mean())


def _by_case(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """Wrong answers and answers of each case."""
    size = len(answers.cases)
    wrong = np.bincount(answers.case[~answers.correct], minlength=size)
    return wrong, np.bincount(answers.case, minlength=size)


def _share(codes: np.ndarray, hits: np.ndarray, size: int) -> np.ndarray:
    counts = np.bincount(codes, minlength=size)
    sums = np.bincount(codes, weights=hits.astype(float), minlength=size)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _raters(answers: Answers) -> list[dict[str, Any]]:
    rows = []
    for code, name in enumerate(answers.raters):
        mine = answers.rater == code
        trials, hits = int(mine.sum()), int(answers.correct[mine].sum())
        if not trials:
            continue
        low, high = wilson(hits, trials)
        checks, failed = (int(count) for count in answers.checks[code])
        rows.append(
            {
                "rater": name,
                "answers": trials,
                "correct": hits,
                "accuracy": hits / trials,
                "low": low,
                "high": high,
                "d_prime": d_prime(short_of_certain(hits / trials, trials)),
                "left_share": float(answers.chose_left[mine].mean()),
                "checks": checks,
                "checks_failed": failed,
                # Who doesn't look guesses right half of the time.
                "lapse": min(1.0, 2 * failed / checks) if checks else math.nan,
            }
        )
    return rows


def _cases(answers: Answers) -> list[dict[str, Any]]:
    wrong, seen = _by_case(answers)
    return [
        {
            "case": name,
            "answers": int(seen[code]),
            "fooled": int(wrong[code]),
            "accuracy": 1 - float(wrong[code] / seen[code]),
            "fooled_majority": bool(wrong[code] > seen[code] / 2),
        }
        for code, name in enumerate(answers.cases)
    ]


def _notes(answers: Answers, found: Clustered) -> list[str]:
    notes = []
    for name, codes in (("rater", answers.rater), ("case", answers.case)):
        if len(np.unique(codes)) == 1:
            notes.append(f"one {name}: accuracy_clustered holds for this {name} only")
    if math.isnan(found.error):
        notes.append("one rater and one case: there is no interval over raters and cases")
    if found.share in (0, 1):
        notes.append(
            f"every answer is {'right' if found.share else 'wrong'}: d_prime is that of half an "
            "answer less, and one end of its interval is infinite"
        )
    if answers.chose_left.all() or not answers.chose_left.any():
        side = "left" if answers.chose_left.all() else "right"
        notes.append(f"every answer is {side}: nobody may have looked")
    if answers.real_left.all() or not answers.real_left.any():
        side = "left" if answers.real_left.all() else "right"
        notes.append(
            f"the real clip always was on the {side}: position bias can't be told from ability"
        )
    always = _always(answers)
    if always:
        notes.append(f"always the same side in 10 answers or more: {', '.join(always)}")
    return notes


def _always(answers: Answers) -> Sequence[str]:
    left = _share(answers.rater, answers.chose_left, len(answers.raters))
    enough = np.bincount(answers.rater, minlength=len(answers.raters)) >= 10
    return [answers.raters[i] for i in np.flatnonzero(enough & ((left == 0) | (left == 1)))]
