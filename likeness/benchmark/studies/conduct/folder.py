"""A study on disk, and the truth that stays there.

plan.toml    the plan with every default
deal.json    items (what is real) and every rater's trials (where it stands)
secret       signs the links; only the owner can read it, nor deal.json
media/       what browsers play, under names that say nothing
study.db     answers and events, only ever added to
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from likeness.benchmark.studies.answers import StudyError
from likeness.benchmark.studies.conduct.allocation import Trial, deal
from likeness.benchmark.studies.conduct.links import Link, new_secret, sign
from likeness.benchmark.studies.conduct.rows import Rows
from likeness.benchmark.studies.conduct.staging import Item, Reader, Stage
from likeness.benchmark.studies.dimensions import dimensions_of
from likeness.benchmark.studies.plan import PLANS, StudyPlan
from likeness.store.atomic import making_folder, write_bytes
from likeness.store.progress import Progress, silent
from likeness.store.recipes import recipe_table
from likeness.store.record import content_id
from likeness.store.toml import to_toml
from likeness.store.weights import file_hash

PLAN, DEAL, SECRET, MEDIA, ROWS = "plan.toml", "deal.json", "secret", "media", "study.db"
_SPOILT = 3  # different spoilt clips of a purpose, at most


@dataclass(frozen=True, kw_only=True)
class StudyFolder:
    """A study as it was dealt.

    Attributes:
        path: of the folder.
        plan: of the study.
        items: by key.
        trials: by rater, such as `r01`, in order.
        media: SHA-256 of each file by its name.
        notes: what was cut or resized when it was made.
        secret: that signs links.
        planned: hash of plan, deal and media when it was made.

    """

    path: Path
    plan: StudyPlan
    items: Mapping[str, Item]
    trials: Mapping[str, tuple[Trial, ...]]
    media: Mapping[str, str]
    notes: tuple[str, ...]
    secret: bytes
    planned: str

    @property
    def answers_due(self) -> int:
        """Answers that the study has when every rater has answered everything."""
        return sum(map(len, self.trials.values()))

    def link(self, rater: str, issue: int, until: float) -> str:
        """Sign a link for a rater."""
        return sign(self.secret, Link(rater=rater, issue=issue, until=round(until)))

    def rows(self) -> Rows:
        """Open the study's rows."""
        return Rows(self.path / ROWS)

    def lacking(self) -> list[str]:
        """Name the media files that are missing or not what was made."""
        return sorted(
            name
            for name, hashed in self.media.items()
            if not (path := self.path / MEDIA / name).is_file() or file_hash(path) != hashed
        )


def make(plan: StudyPlan, read: Reader, path: Path, *, progress: Progress = silent) -> StudyFolder:
    """Write the media of a study, deal its trials, and keep both in a new folder.

    Args:
        plan: of the study.
        read: gives the clip of an entry's `file`.
        path: of the folder, which must not be there or be empty.
        progress: told after each case.

    Raises:
        LikenessError: the folder is taken, or a clip can't be read or shown.

    """
    with making_folder(path) as folder:
        (folder / MEDIA).mkdir()
        stage = Stage(plan, read, folder / MEDIA, np.random.default_rng())
        items = {item.key: item for item in stage.items(progress)}
        extras = _spoilt(plan, stage)
        items |= {item.key: item for some in extras.values() for item in some}
        items = _with_references(plan, stage, items)
        queues = deal(plan, {purpose: [i.key for i in some] for purpose, some in extras.items()})
        wide = max(2, len(str(plan.raters)))
        content = {
            "items": [asdict(item) for item in items.values()],
            "trials": {
                f"r{number:0{wide}}": [asdict(trial) for trial in queue]
                for number, queue in enumerate(queues, 1)
            },
            "media": {p.name: file_hash(p) for p in sorted((folder / MEDIA).iterdir())},
            "notes": list(dict.fromkeys(stage.notes)),
        }
        write_bytes(folder / PLAN, to_toml(recipe_table(plan)).encode())
        _keep(folder / DEAL, json.dumps(content, indent=1, ensure_ascii=False).encode())
        _keep(folder / SECRET, new_secret())
        Rows(folder / ROWS).close()
    return load(path)


def load(path: Path) -> StudyFolder:
    """Read a study's folder.

    Raises:
        StudyError: there is none, or a file of it is missing or broken.

    """
    try:
        content: dict[str, Any] = json.loads((path / DEAL).read_text(encoding="utf-8"))
        secret = (path / SECRET).read_bytes()
        plan = PLANS.load(path / PLAN)
        items = {row["key"]: _item(row) for row in content["items"]}
        trials = {
            rater: tuple(Trial(**trial) for trial in queue)
            for rater, queue in content["trials"].items()
        }
    except FileNotFoundError as error:
        raise StudyError(
            f"{path}: no study here ({Path(error.filename).name} is missing); make one with "
            "likeness study create"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise StudyError(f"{path / DEAL} is broken ({error}); restore it") from error
    return StudyFolder(
        path=path,
        plan=plan,
        items=items,
        trials=trials,
        media=content["media"],
        notes=tuple(content["notes"]),
        secret=secret,
        planned=content_id({"plan": recipe_table(plan), "deal": content}),
    )


def _keep(path: Path, data: bytes) -> None:
    """Write a file that nobody else on the machine can read."""
    write_bytes(path, data)
    os.chmod(path, 0o600)


def _item(row: Mapping[str, Any]) -> Item:
    expected = row["expected"] and {name: tuple(ends) for name, ends in row["expected"].items()}
    reference = row["reference"] and tuple(row["reference"])
    return Item(**{**row, "expected": expected, "reference": reference})


def _spoilt(plan: StudyPlan, stage: Stage) -> dict[str, list[Item]]:
    """Make the items of training, checks and traps, of the first cases in turn."""
    names = [d.name for d in dimensions_of(plan.dimensions)] if plan.kind == "rating" else []
    wanted = {"training": plan.training, "check": plan.checks}
    if plan.kind == "rating":
        wanted["trap"] = plan.traps
    return {
        purpose: [
            stage.spoilt(plan.cases[(first + n) % len(plan.cases)], purpose, names)
            for n in range(min(count, _SPOILT, len(plan.cases)))
        ]
        for first, (purpose, count) in enumerate(wanted.items())
    }


def _with_references(plan: StudyPlan, stage: Stage, items: Mapping[str, Item]) -> dict[str, Item]:
    """Write each case's reference once, and name it in the case's items."""
    if plan.kind != "rating" or not plan.references:
        return dict(items)
    files = {case: stage.reference(file) for case, file in plan.references.items()}
    return {
        key: replace(item, reference=files.get(item.case.rpartition(":")[2]))
        for key, item in items.items()
    }


def raters_of(folder: StudyFolder, names: Sequence[str] = ()) -> list[str]:
    """Return the raters that are named, or all.

    Raises:
        StudyError: a name that the study doesn't have.

    """
    if unknown := sorted(set(names) - set(folder.trials)):
        raise StudyError(
            f"{folder.path}: no rater {unknown[0]}; they are {min(folder.trials)} to "
            f"{max(folder.trials)}"
        )
    return list(names or folder.trials)
