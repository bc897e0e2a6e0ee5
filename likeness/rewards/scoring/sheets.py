"""Outcomes as Parquet or CSV tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from likeness.rewards.scoring.job import Job, Outcome
from likeness.store.sheets import write_sheet

COLUMNS = (
    "clip",
    "reward",
    "value",
    "reason",
    "version",
    "weights",
    "reference",
    "target",
    "prompt",
    "identity",
    "scene",
    "condition",
    "note",
)
VALUES, CURVES = "values.parquet", "curves.parquet"


def write_scores(jobs: Sequence[Job], outcomes: Sequence[Outcome], path: Path) -> None:
    """Write a row for each clip and reward; a missing value is empty, with its reason.

    Raises:
        SheetError: the suffix is neither .csv nor .parquet.
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    rows = [
        {**score.to_dict(), **_about(job), "note": outcome.note}
        for job, outcome in zip(jobs, outcomes, strict=True)
        for score in outcome.scores
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    texts = [column for column in COLUMNS if column != "value"]
    table[texts] = table[texts].astype("string")
    write_sheet(table.astype({"value": "float64"}), path)


def write_details(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Write what lies behind the scores: `values.parquet` and `curves.parquet`.

    The first has a row for each clip, reward and name, the second one for each frame of each curve;
    a number that can't be told is empty.

    Raises:
        DiskFullError: no room on the disk.

    """
    import numpy as np
    import pandas as pd

    values, curves = [], []
    for outcome in outcomes:
        clip = outcome.scores[0].clip
        for reward, detail in outcome.details.items():
            values += [(clip, reward, name, value) for name, value in detail.values.items()]
            curves += [
                pd.DataFrame(
                    {
                        "clip": clip,
                        "reward": reward,
                        "name": name,
                        "frame": np.arange(len(row)),
                        "value": row,
                    }
                )
                for name, row in detail.curves.items()
            ]
    named = ["clip", "reward", "name", "value"]
    write_sheet(pd.DataFrame(values, columns=named), folder / VALUES)
    frames = pd.concat(curves) if curves else pd.DataFrame(columns=[*named[:3], "frame", "value"])
    write_sheet(frames, folder / CURVES)


def _about(job: Job) -> dict[str, Any]:
    return {
        "reference": None if job.reference is None else str(job.reference),
        "target": None if job.target is None else str(job.target),
        "prompt": job.prompt,
        "identity": job.identity,
        "scene": job.scene,
        "condition": job.condition,
    }
