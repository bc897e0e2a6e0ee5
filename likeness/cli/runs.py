from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl, WorkspacePath, family
from likeness.store.toml import to_toml

if TYPE_CHECKING:
    from likeness.store.records import Checkpoint
    from likeness.store.runs import RunFolder

app = family(help="List, show and stop the runs of a workspace.")

RunName = Annotated[str, typer.Argument(help="Name of the run.", metavar="RUN")]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A run in a list."""

    id: str
    kind: str
    state: str
    step: int
    created: str
    updated: str
    message: str


@app.command("list")
def list_runs(
    workspace: WorkspacePath, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """List the runs of a workspace, the oldest first."""
    lines = sorted((_line(folder) for folder in _folders(workspace, database)), key=_by_age)
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    if not lines:
        say(f"{workspace}: no runs yet; start one with `likeness align`")
        return
    width = max(len(line.id) for line in lines)
    for line in lines:
        told = f"  {line.message}" if line.message else ""
        say(
            f"{line.id:{width}}  {line.state:8}  step {line.step:>6}  "
            f"{line.kind}  {line.updated}{told}"
        )


@app.command()
def show(
    run: RunName,
    workspace: WorkspacePath,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show a run: how it stands, what it measured last, its checkpoints and its recipe."""
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folder = _folder(opened.path, run)
        shown = _facts(folder, opened.checkpoints(run=run))
    if as_json:
        print_json(shown)
    else:
        _print(shown)


@app.command()
def stop(run: RunName, workspace: WorkspacePath, database: DatabaseUrl = None) -> None:
    """Ask a run to save and stop after its present step; the command that started it resumes it."""
    from likeness.store import LikenessError
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folder = _folder(opened.path, run)
    state = folder.status.state
    if state != "running":
        raise LikenessError(f"run {run} is {state}, not running: there is nothing to stop")
    folder.request_stop()
    say(f"asked {run} to stop after its present step")


def _folders(workspace: Path, database: str | None) -> "list[RunFolder]":
    from likeness.store.runs import RunFolder
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        return [RunFolder.open(path.parent) for path in opened.path.glob("runs/*/run.json")]


def _folder(workspace: Path, run: str) -> "RunFolder":
    from likeness.store.runs import RunFolder

    return RunFolder.open(workspace / "runs" / run)


def _line(folder: "RunFolder") -> Line:
    record, status = folder.record, folder.status
    return Line(
        id=record.id,
        kind=record.kind,
        state=status.state,
        step=status.step,
        created=record.created,
        updated=status.updated,
        message=status.message,
    )


def _by_age(line: Line) -> tuple[str, str]:
    return line.created, line.id


def _facts(folder: "RunFolder", checkpoints: "list[Checkpoint]") -> dict[str, Any]:
    record, rows = folder.record, folder.metrics.read()
    return {
        **asdict(_line(folder)),
        "folder": str(folder.path),
        "commit": record.commit,
        "seeds": list(record.seeds),
        "dataset_hash": record.dataset_hash,
        "parent": record.parent,
        "people": len(record.identities),
        "metrics": rows[-1] if rows else None,
        "checkpoints": [checkpoint.to_dict() for checkpoint in checkpoints],
        "recipe": record.recipe,
    }


def _print(facts: dict[str, Any]) -> None:
    for name in ("id", "kind", "state", "step", "created", "updated", "message", "folder"):
        say(f"{name:13} {facts[name]}")
    for name in ("commit", "seeds", "dataset_hash", "parent", "people"):
        say(f"{name:13} {facts[name]}")
    say("metrics" if facts["metrics"] else "metrics       none yet")
    for name, value in (facts["metrics"] or {}).items():
        say(f"  {name:24} {value:.6g}")
    say("checkpoints" if facts["checkpoints"] else "checkpoints   none yet")
    for checkpoint in facts["checkpoints"]:
        marked = "  learnt from forgotten people" if checkpoint["forgotten"] else ""
        say(f"  {checkpoint['id']}  step {checkpoint['step']}  {checkpoint['path']}{marked}")
    say("recipe")
    for line in to_toml(facts["recipe"]).splitlines():
        say(f"  {line}" if line else "")
