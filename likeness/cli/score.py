import json
import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, say

if TYPE_CHECKING:
    from likeness.rewards.base import Subject
    from likeness.store import Clip
    from likeness.store.records import Score

COLUMNS = ("clip", "reward", "value", "reason", "version")


def score(
    clips: Annotated[list[Path], typer.Argument(help="Video files to score.", metavar="CLIP")],
    reference: Annotated[
        Path, typer.Option("--reference", "-r", help="A video of the person who is to be seen.")
    ],
    target: Annotated[
        Path | None,
        typer.Option("--target", "-t", help="The true clip of the same scene and speech."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="What the text asked for.")] = None,
    rewards: Annotated[
        Literal["auto", "testbed", "real"],
        typer.Option(help="Whose rewards; auto goes by what the files say made them."),
    ] = "auto",
    format: Annotated[
        Literal["table", "json", "csv"], typer.Option("--format", "-f", help="How to print.")
    ] = "table",
) -> None:
    """Score clips for identity, lip sync, motion and quality.

    A value that can't be given is null with its reason. A clip that can't be read is told on
    stderr and doesn't stop the others; the exit code is 2 where none could be read.
    """
    from likeness.rewards.base import Subject

    person, truth = _read(reference), None if target is None else _read(target)
    paths = list(dict.fromkeys(clips))
    unread: dict[Path, str] = {}

    def subjects() -> Iterator[Subject]:
        for path in paths:
            clip = _try_to_read(path, unread)
            if clip is not None:
                yield Subject(
                    clip=clip, reference=person, target=truth, prompt=prompt, clip_id=str(path)
                )

    scores = _score_all(subjects(), rewards, len(paths))
    _report(unread, len(paths))
    rows = [row for path in paths for row in scores.get(str(path)) or _unscored(path, unread[path])]
    {"table": _print_table, "json": _print_json, "csv": _print_csv}[format](rows)


def _read(path: Path) -> "Clip":
    from likeness.store.media import decode

    return decode(path, need_audio=False)


def _try_to_read(path: Path, unread: dict[Path, str]) -> "Clip | None":
    from likeness.store import LikenessError

    try:
        return _read(path)
    except LikenessError as error:
        unread[path] = str(error)
        return None


def _score_all(
    subjects: "Iterable[Subject]", world: Literal["auto", "testbed", "real"], total: int
) -> "dict[str, list[Score]]":
    """Score subjects as they come, so that one clip is in memory at a time."""
    from likeness.rewards.sets import RewardSet, WorldlyRewards

    judge = WorldlyRewards() if world == "auto" else RewardSet.load(world)
    scores = {}
    with bars("scoring") as progress:
        for done, subject in enumerate(subjects, start=1):
            scores[subject.key] = judge.score([subject])
            progress(done, total, subject.key)
    return scores


def _unscored(path: Path, reason: str) -> "list[Score]":
    from likeness.rewards.sets import NAMES
    from likeness.store.records import Score

    names = [name for group in NAMES.values() for name in group]
    return [
        Score.missing(clip=str(path), reward=name, reason=reason, version="none") for name in names
    ]


def _report(unread: dict[Path, str], total: int) -> None:
    from likeness.store import LikenessError

    reasons = list(unread.values())
    if len(reasons) == total:
        more = f"; nor could the {total - 1} others be read" if total > 1 else ""
        raise LikenessError(reasons[0] + more)
    for reason in reasons:
        typer.echo(f"likeness: {reason}", err=True)


def _as_dict(score: "Score") -> dict[str, str | float | None]:
    return {
        "clip": score.clip,
        "reward": score.reward,
        "value": None if math.isnan(score.value) else score.value,
        "reason": score.reason,
        "version": score.version,
    }


def _print_json(scores: "list[Score]") -> None:
    """Print an array with a row a line, which diffs and eyes like better than one long line."""
    rows = [json.dumps(_as_dict(score), ensure_ascii=False) for score in scores]
    say("[\n " + ",\n ".join(rows) + "\n]")


def _print_csv(scores: "list[Score]") -> None:
    import csv

    writer: csv.DictWriter[str] = csv.DictWriter(sys.stdout, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_as_dict(score) for score in scores)


def _print_table(scores: "list[Score]") -> None:
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
        table.add_row(clip, *(values[clip, name] for name in names))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    for (clip, reason), missing in _why_missing(scores).items():
        say(reason if reason.startswith(clip) else f"{clip}: no {', '.join(missing)}: {reason}")


def _why_missing(scores: "list[Score]") -> dict[tuple[str, str], list[str]]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for score in scores:
        if score.reason is not None:
            reasons.setdefault((score.clip, score.reason), []).append(score.reward)
    return reasons
