"""Whether anything but the picture tells a browser what it is shown: `annotation.blinding`, here.

The study is copied without its rows, served on loopback, and gone through by every rater of it as
a browser would; whatever came for a trial is turned into numbers, and a classifier tries to tell
from them where the real clip stands, which clip is real, and why a trial is asked.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from likeness.annotation.blinding.audit import Finding, Question, audit
from likeness.annotation.blinding.traces import Received, traces
from likeness.benchmark.studies.conduct.folder import DEAL, MEDIA, PLAN, SECRET, StudyFolder, load
from likeness.benchmark.studies.conduct.sitting import Desk
from likeness.benchmark.studies.dimensions import dimensions_of
from likeness.benchmark.studies.plan import StudyPlan
from likeness.benchmark.studies.web.server import StudyServer
from likeness.benchmark.studies.web.walking import Walker, walk_together

_MOMENT = {"Date", "Set-Cookie"}  # what belongs to the moment and to who asks
_OWN = {"key", "stamp", "name", "ask"}  # drawn anew, of the moment, or the same in every trial


def audit_study(
    path: Path, rng: np.random.Generator, *, raters: int = 12, deals: int = 499
) -> list[Finding]:
    """Try to tell the truth of a study's trials from what a browser receives.

    Args:
        path: of the study's folder; nothing is changed there.
        rng: where folds and deals come from.
        raters: how many go through it.
        deals: see `annotation.blinding.tell`.

    Returns:
        Findings: `first` (the real clip is left), `generated` (of single clips) and `kind`
        (whether it counts).

    """
    with TemporaryDirectory() as temporary:
        copy = Path(temporary) / "study"
        copy.mkdir()
        for name in (PLAN, DEAL, SECRET):
            shutil.copy2(path / name, copy / name)
        shutil.copytree(path / MEDIA, copy / MEDIA, copy_function=_linked)
        folder = load(copy)
        seen = _received(folder, list(folder.trials)[:raters])
    labels: dict[str, dict[str, bool]] = {"first": {}, "generated": {}, "kind": {}}
    groups = {}
    for rater in list(folder.trials)[:raters]:
        for trial in folder.trials[rater]:
            item = folder.items[trial.item]
            groups[trial.key] = item.case.rpartition(":")[2]
            labels["kind"][trial.key] = trial.purpose in ("item", "repeat")
            if trial.real_side is not None:
                labels["first"][trial.key] = trial.real_side == "left"
            if item.real is not None:
                labels["generated"][trial.key] = not item.real
    asked = [Question(name=name, labels=told) for name, told in labels.items() if told]
    numbers = {key: traces(received) for key, received in seen.items()}
    return audit(numbers, asked, groups, rng, deals=deals)


def _received(folder: StudyFolder, raters: list[str]) -> dict[str, Received]:
    """Go through a study and keep what came for each trial."""
    seen: dict[str, Received] = {}

    def see(walker: Walker, state: Mapping[str, Any]) -> None:
        name = f"clip/{state['key']}.mp4"
        data, headers = walker.get(name)
        told, page = walker.get("state")
        seen[state["key"]] = Received(
            task={k: v for k, v in json.loads(told).items() if k not in _OWN},
            files={"clip": data},
            headers={"clip": _lasting(headers), "state": _lasting(page)},
            urls={"clip": name},
        )

    rows = folder.rows()
    try:
        desk = Desk(folder, rows, pace=0.0)
        desk.open()
        server = StudyServer(desk)
        with server.listening():
            walk_together(
                [
                    lambda rater=rater: Walker(f"{server.url}/{desk.invite(rater)}").walk(
                        lambda _: any_answer(folder.plan), see, wait=0.0
                    )
                    for rater in raters
                ]
            )
    finally:
        rows.close()
    return seen


def any_answer(plan: StudyPlan) -> dict[str, Any]:
    """Say something, whatever is shown."""
    if plan.kind == "turing":
        return {"chosen": "left", "confidence": 1}
    return {"scores": {dimension.name: 3 for dimension in dimensions_of(plan.dimensions)}}


def _lasting(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _MOMENT}


def _linked(source: str, target: str) -> str:
    """Point to a file in place of copying it."""
    Path(target).symlink_to(Path(source).resolve())
    return target
