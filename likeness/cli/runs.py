import shlex
import time
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

app = family(help="List, watch, stop, resume and compare runs.")

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
def stop(
    run: RunName,
    workspace: WorkspacePath,
    wait: Annotated[
        float, typer.Option(help="Seconds to wait before it is killed; 0 asks and goes.", min=0)
    ] = 30.0,
    database: DatabaseUrl = None,
) -> None:
    """Ask a run to save and stop after its present step; `runs resume` goes on with it."""
    from likeness.cli.loop.stopping import await_end
    from likeness.store.steering import ask_to_stop
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folder = _folder(opened.path, run)
    ask_to_stop(folder)
    say(f"asked {run} to stop after its present step")
    if wait:
        say(f"{run}: {await_end(folder, wait)}")


@app.command()
def watch(
    run: RunName,
    workspace: WorkspacePath,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.05)] = 1.0,
    lines: Annotated[int, typer.Option(help="Of the past to begin with.", min=0)] = 10,
    database: DatabaseUrl = None,
) -> None:
    """Print a run's metrics line by line as they come, until it ends; Ctrl-C leaves it alone."""
    from likeness.store.steering import GOING
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folder = _folder(opened.path, run)
    told = max(len(folder.metrics.read()) - lines, 0)
    state = ""
    while True:
        status = folder.status  # before the metrics: the last rows come before the last state
        rows = folder.metrics.read()
        # A run that was resumed has cut its metrics back.
        for row in rows[min(told, len(rows)) :]:
            say(_row(row))
        told = len(rows)
        if status.state != state:
            state = status.state
            say(f"{run}: {state}" + (f": {status.message}" if status.message else ""))
        if state not in GOING:
            return
        time.sleep(every)


@app.command()
def resume(run: RunName, workspace: WorkspacePath, database: DatabaseUrl = None) -> None:
    """Go on with a run that was stopped, failed or lost, by the words that started it."""
    from likeness.cli import run as command
    from likeness.store.steering import words_to_resume
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folder = _folder(opened.path, run)
    words = words_to_resume(folder)
    say(f"likeness {shlex.join(words)}")
    if code := command(words):
        raise typer.Exit(code)


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(help="Names of runs.", metavar="RUN...")],
    workspace: WorkspacePath,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Set runs side by side: where their recipes differ, and what each measured last."""
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        folders = [_folder(opened.path, run) for run in runs]
    recipes = [_flat(folder.record.recipe) for folder in folders]
    last = [_last(folder.metrics.read()) for folder in folders]
    facts = [{"state": f.status.state, "kind": f.record.kind} for f in folders]
    tables = {
        "run": _rows(facts),
        "recipe": {k: v for k, v in _rows(recipes).items() if any(x != v[0] for x in v)},
        "metrics": _rows(last),
    }
    if as_json:
        print_json({"runs": runs, **tables})
        return
    _print_columns(["", *runs], [])
    for name, table in tables.items():
        _print_columns([name], [[k, *map(_cell, v)] for k, v in table.items()])


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Name the values of tables within tables by their path."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat


def _last(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Take the last value of each metric; evaluations have rows of their own."""
    return {name: value for row in rows for name, value in row.items()}


def _rows(columns: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for column in columns for name in column)
    return {name: [column.get(name) for column in columns] for name in names}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_columns(head: list[str], rows: list[list[str]]) -> None:
    for row in [head, *rows]:
        say("  ".join(f"{cell:{32 if i == 0 else 16}}" for i, cell in enumerate(row)).rstrip())


def _row(row: dict[str, float]) -> str:
    rest = "  ".join(f"{k} {v:.5g}" for k, v in row.items() if k != "step")
    return f"step {row['step']:>6.0f}  {rest}"


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
        "metrics": _last(rows) or None,
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
