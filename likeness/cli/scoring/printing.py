import csv
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from likeness.cli.console import say
from likeness.store.records import Score

Format = Literal["table", "json", "csv"]

COLUMNS = ("clip", "reward", "value", "reason", "version")


def print_json(scores: Sequence[Score]) -> None:
    """Print an array with a row a line, which diffs and eyes like better than one long line."""
    rows = [json.dumps(_as_dict(score), ensure_ascii=False) for score in scores]
    say("[\n " + ",\n ".join(rows) + "\n]")


def print_csv(scores: Sequence[Score]) -> None:
    """Print a header and a row for each clip and reward."""
    writer: csv.DictWriter[str] = csv.DictWriter(sys.stdout, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_as_dict(score) for score in scores)


def print_table(scores: Sequence[Score]) -> None:
    """Print a row a clip and a column a reward, then why values are missing."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    names = list(dict.fromkeys(score.reward for score in scores))
    values = {(s.clip, s.reward): "-" if s.reason else f"{s.value:.3f}" for s in scores}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("clip", overflow="fold")
    for name in names:
        table.add_column(name.replace("_", "\n"), justify="right", no_wrap=True)
    for clip in dict.fromkeys(score.clip for score in scores):
        table.add_row(clip, *(values.get((clip, name), "-") for name in names))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for (clip, reason), missing in _why_missing(scores).items():
        say(reason if reason.startswith(clip) else f"{clip}: no {', '.join(missing)}: {reason}")


PRINTERS: Mapping[Format, Callable[[Sequence[Score]], None]] = {
    "table": print_table,
    "json": print_json,
    "csv": print_csv,
}


def _as_dict(score: Score) -> dict[str, str | float | None]:
    return {
        "clip": score.clip,
        "reward": score.reward,
        "value": None if math.isnan(score.value) else score.value,
        "reason": score.reason,
        "version": score.version,
    }


def _why_missing(scores: Sequence[Score]) -> dict[tuple[str, str], list[str]]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for score in scores:
        if score.reason is not None:
            reasons.setdefault((score.clip, score.reason), []).append(score.reward)
    return reasons
