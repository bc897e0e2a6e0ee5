"""What a held study shows: the planned analysis of its rows, and where it departs from the plan."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from likeness.benchmark.studies import rating, turing
from likeness.benchmark.studies.answers import StudyError, answers_of
from likeness.benchmark.studies.conduct.folder import StudyFolder
from likeness.benchmark.studies.conduct.progress import passed
from likeness.benchmark.studies.conduct.rows import Answer, Rows
from likeness.benchmark.studies.conduct.saying import CONFIDENCE
from likeness.benchmark.studies.proportions import wilson
from likeness.benchmark.studies.ratings import ratings_of

_OF_SYSTEMS = (
    "answers",
    "accuracy",
    "accuracy_clustered",
    "d_prime",
    "fooled_any",
    "equivalence",
)
STALLED = 1.15  # times a clip's length: playing that took longer was interrupted


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What may be asked for other than planned; None is as planned, anything else a deviation."""

    margin: float | None = None
    alpha: float | None = None
    method: str | None = None


def outcome(folder: StudyFolder, rows: Rows, settings: Settings | None = None) -> dict[str, Any]:
    """Analyse a study as its plan says.

    Raters who failed more of their checks than the plan allows are left out; `with_everybody`
    says what the main figure would be with them.

    Args:
        folder: of the study.
        rows: of the study.
        settings: departures from the plan, each of which is listed.

    Returns:
        What `turing.analyse` or `rating.analyse` give, and `study`: its state, deviations, raters
        left out, repeats, playing, and of a Turing test confidence, reasons and systems.

    Raises:
        StudyError: there is no answer that counts.

    """
    settings = settings or Settings()
    answers = rows.answers()
    out = left_out(folder, answers)
    kept = [answer for answer in answers if answer.rater not in out]
    if not any(answer.purpose == "item" for answer in kept):
        why = f", for {len(out)} raters failed too many checks" if out else " yet"
        raise StudyError(f"{folder.path}: there is no answer that counts{why}")
    tell = _turing if folder.plan.kind == "turing" else _rating
    told = tell(folder, kept, settings)
    if out:
        try:
            everybody = tell(folder, answers, settings)
        except StudyError as error:
            everybody = {"reason": str(error)}
        told["with_everybody"] = {k: everybody.get(k) for k in ("accuracy", "items", "reason")}
    told["study"] |= {
        "name": folder.plan.name,
        "planned": folder.planned,
        "answers": len(answers),
        "answers_due": folder.answers_due,
        "left_out": out,
        "deviations": deviations(folder, rows, answers, settings),
        "playing": _playing(folder, answers),
    }
    return told


def table_of(folder: StudyFolder, answers: Sequence[Answer]) -> Any:
    """Write answers that count, and attention checks, as the table that `analyse` reads."""
    import pandas as pd

    if folder.plan.kind == "turing":
        return pd.DataFrame(
            [
                {
                    "rater": answer.rater,
                    "case": answer.item,
                    "real_side": folder.trials[answer.rater][answer.place].real_side,
                    "chosen": answer.told["chosen"],
                    "check": int(answer.purpose == "check"),
                }
                for answer in answers
                if answer.purpose in ("item", "check")
            ],
            columns=["rater", "case", "real_side", "chosen", "check"],
        )
    return pd.DataFrame(
        [
            {"rater": answer.rater, "item": answer.item, "dimension": name, "score": score}
            for answer in answers
            if answer.purpose in ("item", "repeat")
            for name, score in answer.told["scores"].items()
        ],
        columns=["rater", "item", "dimension", "score"],
    )


def left_out(folder: StudyFolder, answers: Sequence[Answer]) -> dict[str, str]:
    """Say which raters the plan leaves out, and why."""
    failed: dict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        if (fine := passed(folder, answer)) is not None:
            failed[answer.rater].append(not fine)
    return {
        rater: f"failed {sum(each)} of {len(each)} checks"
        for rater, each in sorted(failed.items())
        if sum(each) / len(each) > folder.plan.failed_most
    }


def deviations(
    folder: StudyFolder, rows: Rows, answers: Sequence[Answer], settings: Settings
) -> list[str]:
    """List where study and analysis are not as planned."""
    plan, told = folder.plan, []
    if (planned := rows.claimed("planned")) != folder.planned:
        was = f"was {planned[:12]} when it opened" if planned else "never opened"
        told.append(f"plan or deal were changed: the hash is {folder.planned[:12]}, and {was}")
    if lacking := folder.lacking():
        told.append(f"{len(lacking)} media files are missing or were changed, {lacking[0]} first")
    for name, given in vars(settings).items():
        if given is not None and given != getattr(plan, name):
            told.append(f"{name} is {given}, and was planned as {getattr(plan, name)}")
    if rows.claimed("closed") is None:
        told.append("the study is still open: this is an interim look")
    missing = folder.answers_due - len(answers)
    if missing:
        done = Counter(answer.rater for answer in answers)
        short = sum(done[rater] < len(trials) for rater, trials in folder.trials.items())
        told.append(f"{missing} of {folder.answers_due} answers are missing; {short} raters of "
                    f"{len(folder.trials)} didn't finish")  # fmt: skip
    if unknown := sum(answer.told.get("elapsed") is None for answer in answers):
        told.append(f"of {unknown} answers it isn't known how long they took")
    return told


def _turing(folder: StudyFolder, answers: Sequence[Answer], settings: Settings) -> dict[str, Any]:
    plan, table = folder.plan, table_of(folder, answers)
    margin = plan.margin if settings.margin is None else settings.margin
    alpha = plan.alpha if settings.alpha is None else settings.alpha
    told = turing.analyse(answers_of(table, folder.path), margin, alpha)
    systems = sorted({folder.items[item].system for item in table["case"][table["check"] == 0]})
    parts = []
    for system in systems if len(systems) > 1 else ():
        mine = table[[folder.items[item].system == system for item in table["case"]]]
        found = turing.analyse(answers_of(mine, folder.path), margin, alpha)
        parts.append({"system": system} | {name: found[name] for name in _OF_SYSTEMS})
    first = {(a.rater, a.item): _right(folder, a) for a in answers if a.purpose == "item"}
    again = [a for a in answers if a.purpose == "repeat" and (a.rater, a.item) in first]
    same = sum(_right(folder, a) == first[a.rater, a.item] for a in again)
    counted = [a for a in answers if a.purpose == "item"]
    told["study"] = {
        "systems": parts,
        "repeats": _share(same, len(again)),
        "confidence": _by_confidence(folder, counted),
        "reasons": dict(Counter(why for a in counted for why in a.told["why"]).most_common()),
    }
    return told


def _rating(folder: StudyFolder, answers: Sequence[Answer], settings: Settings) -> dict[str, Any]:
    table = table_of(folder, answers)
    told = rating.analyse(ratings_of(table, folder.path), settings.method or folder.plan.method)
    first = {(a.rater, a.item): a.told["scores"] for a in answers if a.purpose == "item"}
    apart = [
        abs(score - first[a.rater, a.item][name])
        for a in answers
        if a.purpose == "repeat" and (a.rater, a.item) in first
        for name, score in a.told["scores"].items()
    ]
    alike: dict[str, list[bool]] = defaultdict(list)
    for a in answers:
        if a.purpose == "item" and len(a.told["scores"]) > 2:
            alike[a.rater].append(len(set(a.told["scores"].values())) == 1)
    told["study"] = {
        "systems": _systems(folder, told["items"]),
        "repeats": {"pairs": len(apart), "apart": float(np.mean(apart)) if apart else math.nan},
        "straight": {rater: float(np.mean(each)) for rater, each in sorted(alike.items())},
    }
    return told


def _systems(folder: StudyFolder, items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Average the scores of each system's items, with a t interval over cases."""
    from scipy.stats import t

    grouped: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in items:
        grouped[row["dimension"], folder.items[row["item"]].system].append(row["mos"])
    rows = []
    for (dimension, system), scores in sorted(grouped.items()):
        count, mean = len(scores), float(np.mean(scores))
        reach = math.nan
        if count > 1:
            reach = float(t.ppf(0.975, count - 1) * np.std(scores, ddof=1) / math.sqrt(count))
        rows.append(
            {
                "dimension": dimension,
                "system": system,
                "mos": mean,
                "low": mean - reach,
                "high": mean + reach,
                "items": count,
                "reason": None if count > 1 else "one case: no interval over cases",
            }
        )
    return rows


def _by_confidence(folder: StudyFolder, answers: Sequence[Answer]) -> list[dict[str, Any]]:
    rows = []
    for number, word in enumerate(CONFIDENCE, 1):
        right = [_right(folder, a) for a in answers if a.told["confidence"] == number]
        low, high = wilson(sum(right), len(right)) if right else (math.nan, math.nan)
        share = sum(right) / len(right) if right else math.nan
        rows.append(
            {"confidence": number, "said": word, "answers": len(right), "accuracy": share,
             "low": low, "high": high}
        )  # fmt: skip
    return rows


def _right(folder: StudyFolder, answer: Answer) -> bool:
    return answer.told["chosen"] == folder.trials[answer.rater][answer.place].real_side


def _share(part: int, whole: int) -> dict[str, Any]:
    return {"pairs": whole, "same": part / whole if whole else math.nan}


def _playing(folder: StudyFolder, answers: Sequence[Answer]) -> dict[str, Any]:
    """Count how often playing took longer than it should, by rater."""
    seen: dict[str, list[bool]] = defaultdict(list)
    for answer in answers:
        for seconds in answer.told["playing"].values():
            if seconds is not None:
                seen[answer.rater].append(seconds > STALLED * folder.items[answer.item].seconds)
    every = [each for mine in seen.values() for each in mine]
    return {
        "played": len(every),
        "stalled": sum(every),
        "stalled_raters": sorted(r for r, mine in seen.items() if np.mean(mine) > 0.5),
    }
