from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl, WorkspacePath, family

if TYPE_CHECKING:
    from likeness.store.forgetting import Forgotten
    from likeness.training.corpus.forgetting import Removed

consent = family(help="Note people's leave to use their face and voice.")

Identity = Annotated[str, typer.Argument(help="The person, as clips name them.", metavar="PERSON")]


@consent.command("add")
def add_consent(
    identity: Identity,
    workspace: WorkspacePath,
    who: Annotated[str, typer.Option(help="Who gave it: the person or their guardian.")],
    purpose: Annotated[str, typer.Option(help="What it was given for.")],
    until: Annotated[
        str | None, typer.Option(help="Last day it holds, YYYY-MM-DD; without it, no end.")
    ] = None,
    database: DatabaseUrl = None,
) -> None:
    """Note that a person gave leave to use their face and voice."""
    from likeness.store.records import Consent
    from likeness.store.workspace import Workspace

    record = Consent(identity=identity, who=who, purpose=purpose, until=_day(until))
    with Workspace.open(workspace, database) as opened:
        opened.add(record)
    say(f"noted {identity}'s consent, given by {who}, for {purpose}, until {until or 'revoked'}")


@consent.command("list")
def list_consents(
    workspace: WorkspacePath,
    identity: Annotated[
        str | None, typer.Argument(help="One person; without it, all.", metavar="PERSON")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """List consents, the oldest first."""
    from likeness.store.records import Consent
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        records = opened.find(Consent, identity=identity)
    if as_json:
        print_json([record.to_dict() for record in records])
        return
    for record in records:
        until = record.until or "no end"
        say(f"{record.identity}  {record.purpose}  until {until}  given by {record.who}")


def forget(
    identity: Identity,
    workspace: WorkspacePath,
    *,
    corpus: Annotated[
        list[Path] | None,
        typer.Option(
            help="A corpus to remove them from as well; may be given several times.",
            file_okay=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Remove a person's clips and everything made from them.

    Samples, embeddings and caches go too; checkpoints that learnt from the person are marked.
    Corpora lie outside the workspace: name each with --corpus. Nothing brings them back.
    """
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        if not yes:
            _ask(identity)
        removed = _from_corpora(corpus or [], identity)
        clips = _from_judgements(workspace, identity)
        known = bool(clips) or any(r.windows for r in removed)
        forgotten = opened.forget(identity, elsewhere=known)
    if as_json:
        found = {"corpora": [asdict(r) for r in removed], "judged_clips": clips}
        print_json(asdict(forgotten) | found)
        return
    _print(identity, forgotten)
    if clips:
        say(f"  removed {clips} clips of them by which runs were judged")
    for found in removed:
        say(
            f"  corpus {found.corpus}: removed {found.windows} windows of {len(found.clips)} clips"
            if found.windows
            else f"  corpus {found.corpus}: they are not in it"
        )


def _from_judgements(workspace: Path, identity: str) -> int:
    runs = workspace / "runs"
    if not any(runs.glob("*/validation/step_*/scores.json")):
        return 0  # so that forgetting doesn't wait for torch
    from likeness.cli.loop.held_out import forget_clips

    return forget_clips(runs, identity)


def _from_corpora(corpora: Sequence[Path], identity: str) -> "list[Removed]":
    if not corpora:
        return []
    from likeness.training.corpus.forgetting import forget_in
    from likeness.training.corpus.settings import read_description

    for folder in corpora:  # a mistyped one is told before anything is gone
        read_description(folder)
    return [forget_in(folder, identity) for folder in corpora]


def _ask(identity: str) -> None:
    import sys

    from likeness.store import LikenessError

    if not sys.stdin.isatty():
        raise LikenessError(f"forgetting {identity} can't be undone: add --yes to do it")
    typer.confirm(f"Remove {identity} for good?", abort=True)


def _day(text: str | None) -> str | None:
    from likeness.store import LikenessError

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise LikenessError(f"--until {text} is no day; write it as YYYY-MM-DD") from None


def _print(identity: str, forgotten: "Forgotten") -> None:
    say(
        f"forgot {identity}: removed {len(forgotten.clips)} clips, {len(forgotten.samples)} "
        f"samples and {len(forgotten.arrays)} arrays; tombstone {forgotten.tombstone}"
    )
    for checkpoint in forgotten.checkpoints:
        say(f"  checkpoint {checkpoint} learnt from them and is marked: retrain it or retire it")
    for path in forgotten.mentions:
        say(f"  {path} still names them or a clip of theirs: write it again or remove it")
