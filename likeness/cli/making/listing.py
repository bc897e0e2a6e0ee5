"""What became of a table's rows, as a table beside the clips."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from likeness.store.sheets import write_sheet

if TYPE_CHECKING:
    from likeness.cli.making.maker import Outcome

LISTING = "clips.csv"
_NOTED = (
    "sampler",
    "steps",
    "reference_frames",
    "checkpoint",
    "adapter",
    "condition",
    "origin",
    "mark",
    "manifest",
    "sha256",
)
COLUMNS = ("path", "seed", "state", *_NOTED, "guidance", "notes", "error")


def row_of(outcome: "Outcome") -> dict[str, Any]:
    """Tell of one clip: COLUMNS, null where there is nothing to tell."""
    note = outcome.note
    scales = note.get("guidance", {})
    return {
        "path": outcome.order.out.name,
        "seed": outcome.order.seed,
        "state": outcome.state,
        **{name: note.get(name) for name in _NOTED},
        "guidance": " ".join(f"{name}={scale:g}" for name, scale in scales.items()) or None,
        "notes": "; ".join(note.get("notes", ())) or None,
        "error": outcome.reason or None,
    }


def write_listing(outcomes: "Iterable[Outcome]", folder: Path) -> Path:
    """Write clips.csv, a row a condition, and return its path."""
    import pandas as pd

    rows = [row_of(outcome) for outcome in outcomes]
    path = folder / LISTING
    write_sheet(pd.DataFrame(rows, columns=list(COLUMNS)), path)
    return path
