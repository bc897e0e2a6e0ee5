"""How far a study is, while it runs."""

from datetime import UTC, datetime
from typing import Any

from likeness.benchmark.studies.conduct.folder import StudyFolder
from likeness.benchmark.studies.conduct.rows import Answer
from likeness.benchmark.studies.conduct.sitting import Desk

CHECKS = ("check", "trap")


def passed(folder: StudyFolder, answer: Answer) -> bool | None:
    """Say whether a check was answered as whoever looks answers it; None of what is no check."""
    if answer.purpose not in CHECKS:
        return None
    if folder.plan.kind == "turing":
        return answer.told["chosen"] == folder.trials[answer.rater][answer.place].real_side
    expected = folder.items[answer.item].expected
    if expected is None:
        return None
    scores = answer.told["scores"]
    return all(low <= scores[name] <= high for name, (low, high) in expected.items())


def progress_of(folder: StudyFolder, desk: Desk) -> dict[str, Any]:
    """Count answers, raters and failed checks of a study so far."""
    rows = desk.rows
    answers = rows.answers()
    begun = {subject for _, _, subject, _ in rows.events("begun")}
    per_rater = []
    for rater, trials in folder.trials.items():
        mine = [answer for answer in answers if answer.rater == rater]
        results = [told for answer in mine if (told := passed(folder, answer)) is not None]
        per_rater.append(
            {
                "rater": rater,
                "begun": rater in begun,
                "answers": len(mine),
                "due": len(trials),
                "checks": len(results),
                "failed": results.count(False),
                "last": _moment(mine[-1].at) if mine else None,
            }
        )
    closed, opened = (rows.claimed(name) is not None for name in ("closed", "opened"))
    return {
        "state": "closed" if closed else "open" if opened else "not opened",
        "raters": len(folder.trials),
        "begun": len(begun),
        "done": sum(row["answers"] == row["due"] for row in per_rater),
        "answers": len(answers),
        "answers_due": folder.answers_due,
        "per_rater": per_rater,
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
