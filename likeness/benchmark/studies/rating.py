"""Analysis of a rating study: mean opinion scores with intervals, and what raters are like."""

import math
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from likeness.benchmark.studies.opinion import METHODS, Solution, half_widths
from likeness.benchmark.studies.ratings import Ratings

_STRAIGHT = 0.15  # variance of a rater's ratings below which they hardly differ
_EXACT = 1e-3  # inconsistency that no rater has


def analyse(ratings: list[Ratings], method: str) -> dict[str, Any]:
    """Analyse each dimension by itself.

    Args:
        ratings: of each dimension.
        method: one of `METHODS`.

    Returns:
        Plain values: `items`, a row for each item and dimension; `raters`, a row for each rater
        and dimension; `notes`. NaN is missing, with the reason in the row.

    """
    items, raters, notes = [], [], []
    for part in ratings:
        solution, half = METHODS[method](part), half_widths(part, method)
        items += _items(part, solution, half)
        raters += _raters(part, solution)
        notes += [f"{part.dimension}: {note}" for note in _notes(part, solution, method)]
    return {
        "kind": "rating",
        "method": method,
        "ratings": sum(len(part.score) for part in ratings),
        "items": items,
        "raters": raters,
        "notes": notes,
    }


def _items(part: Ratings, solution: Solution, half: np.ndarray) -> list[dict[str, Any]]:
    counts = np.bincount(part.item, minlength=len(part.items))
    rows = []
    for code, name in enumerate(part.items):
        mine = part.item == code
        reason = None
        if math.isnan(half[code]):
            alone = len(np.unique(part.rater[mine])) < 2
            reason = "one rater: no interval over raters" if alone else "its raters all agree"
        rows.append(
            {
                "item": name,
                "dimension": part.dimension,
                "mos": float(solution.mos[code]),
                "low": float(solution.mos[code] - half[code]),
                "high": float(solution.mos[code] + half[code]),
                "sos": float(solution.sos[code]),
                "ratings": int(counts[code]),
                "reason": reason,
            }
        )
    return rows


def _raters(part: Ratings, solution: Solution) -> list[dict[str, Any]]:
    rows = []
    for code, name in enumerate(part.raters):
        scores = part.score[part.rater == code]
        rows.append(
            {
                "rater": name,
                "dimension": part.dimension,
                "bias": float(solution.bias[code]),
                "inconsistency": float(solution.inconsistency[code]),
                "ratings": len(scores),
                "rejected": bool(solution.rejected[code]),
                "straight_line": bool(len(scores) > 4 and scores.var() < _STRAIGHT),
            }
        )
    return rows


def _notes(part: Ratings, solution: Solution, method: str) -> list[str]:
    notes = []
    if (part.score == part.score[0]).all():
        notes.append(f"every rating is {part.score[0]:g}: nothing tells items or raters apart")
    elif method == "p910":
        exact = solution.inconsistency < _EXACT
        if exact.any():
            who = ", ".join(np.array(part.raters)[exact].tolist())
            notes.append(
                f"the scores follow {who} to the letter: there are too few ratings for the "
                "likelihood to have a maximum; take p913"
            )
    for count, what in ((len(part.raters), "rater"), (len(part.items), "item")):
        if count == 1:
            notes.append(f"there is one {what}")
    links = coo_array(
        (np.ones(len(part.score)), (part.rater, len(part.raters) + part.item)),
        shape=(len(part.raters) + len(part.items),) * 2,
    )
    groups, _ = connected_components(links, directed=False)
    if groups > 1 and method in ("p910", "p913"):
        notes.append(
            f"raters and items fall into {groups} groups that share nothing, so their biases "
            "can't be compared"
        )
    if solution.rejected.any():
        who = ", ".join(np.array(part.raters)[solution.rejected].tolist())
        notes.append(f"left out as outlying: {who}")
    return notes
