"""What a curation came to, as tables."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from likeness.benchmark.curation.curating import Curation, Rejection
from likeness.benchmark.curation.freezing import accepted
from likeness.benchmark.curation.review import Decision
from likeness.store.sheets import write_sheet

Ending = Literal["csv", "parquet"]

REJECTIONS, CLIPS, PAIRS = "rejections", "clips", "pairs"


def by_hand(curation: Curation, decisions: dict[str, Decision] | None) -> list[Rejection]:
    """Say which pairs the manual check leaves out: rejected, or not decided."""
    if decisions is None:
        return []
    taken = {pair.id for pair in accepted(curation.chosen, decisions)}
    left = []
    for pair in curation.chosen:
        if pair.id in taken:
            continue
        said = decisions.get(pair.id)
        reason = "nobody decided" if said is None else said.note or "no reason given"
        left.append(
            Rejection(
                name=f"{pair.reference} + {pair.target}",
                identity=pair.identity,
                kind="undecided" if said is None else "rejected by hand",
                reason=reason,
            )
        )
    return left


def write_tables(
    curation: Curation, more: Sequence[Rejection], out: Path, ending: Ending = "csv"
) -> None:
    """Write what was left out, who is in which clip, and how alike the scenes are.

    Raises:
        DiskFullError: no room on the disk.

    """
    import pandas as pd

    left = [asdict(rejection) for rejection in (*curation.rejections, *more)]
    columns = ["name", "identity", "kind", "reason"]
    write_sheet(pd.DataFrame(left, columns=columns), out / f"{REJECTIONS}.{ending}")
    clips = [
        {
            "name": name,
            "identity": curation.fits[name].identity if name in curation.fits else None,
            "fit": name in curation.fits,
            "start": record.start,
            "quality": record.quality,
            "mask": record.mask or None,
            "hash": record.hash or None,
        }
        for name, record in curation.records.items()
    ]
    write_sheet(pd.DataFrame(clips), out / f"{CLIPS}.{ending}")
    pairs = [{"pair": pair.id, **asdict(pair)} for pair in curation.pairs]
    columns = ["pair", "identity", "reference", "target", "similarity", "psnr", "why_not", "chosen"]
    write_sheet(pd.DataFrame(pairs, columns=columns), out / f"{PAIRS}.{ending}")
