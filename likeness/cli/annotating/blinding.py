from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import DatabaseUrl, WorkspacePath

if TYPE_CHECKING:
    from likeness.annotation.blinding.audit import Finding


def audit_blinding(
    *,
    workspace: WorkspacePath,
    database: DatabaseUrl = None,
    url: Annotated[str, typer.Option(help="Of the Label Studio server.")] = "http://localhost:8080",
    email: Annotated[
        str, typer.Option(envvar="LABEL_STUDIO_USERNAME", help="Who looks, as raters do.")
    ],
    password: Annotated[
        str,
        typer.Option(envvar="LABEL_STUDIO_PASSWORD", prompt=True, hide_input=True, help="Theirs."),
    ],
    most: Annotated[int, typer.Option(help="Views to fetch at most.", min=20)] = 400,
    seed: Annotated[int, typer.Option(help="Of views, folds and deals.", min=0)] = 0,
    format: Annotated[
        Literal["json", "table"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Try to tell from metadata alone which clip stands left; exit with 1 when that works.

    Fetches what a browser is sent for the views of the workspace: what is said of the task, the
    bytes of its files but the picture and sound, sizes, headers and addresses.
    """
    import numpy as np

    from likeness.annotation.blinding.audit import alarms, audit, questions
    from likeness.annotation.blinding.receiving import Visit
    from likeness.annotation.blinding.telling import AuditError
    from likeness.annotation.blinding.traces import traces
    from likeness.store.judgements import Assignment
    from likeness.store.workspace import Workspace

    rng = np.random.default_rng(seed)
    visit = Visit(url)
    visit.log_in(email, password)
    with Workspace.open(workspace, database) as opened:
        dealt = {view.id: view for view in opened.find(Assignment)}
        tasks = {task["data"].get("key"): task for task in visit.tasks()}
        keys = sorted(dealt.keys() & tasks.keys())
        if not keys:
            raise AuditError(f"{url}: none of its tasks is a view of {workspace}; publish first")
        seen = {}
        with bars("views") as progress:
            for done, place in enumerate(rng.permutation(len(keys))[:most], start=1):
                seen[keys[place]] = traces(visit.receive(tasks[keys[place]]))
                progress(done, min(most, len(keys)), "")
        asked = questions(opened, [dealt[key] for key in seen])
        groups = {key: dealt[key].comparison for key in seen}
        found = audit(seen, asked, groups, rng)
    leaks = alarms(found)
    if format == "json":
        rows = [
            {
                "question": row.question,
                "reason": row.reason,
                **(vars(row.telling) if row.telling else {}),
            }
            for row in found
        ]
        print_json({"views": len(seen), "leaks": leaks, "questions": rows})
    else:
        say(findings_text(found, leaks))
    if leaks:
        raise typer.Exit(1)


def findings_text(found: "list[Finding]", leaks: list[str]) -> str:
    """Write what an audit found as text."""
    lines = [f"{'question':10} {'views':>6} {'accuracy':>9} {'95 %':>15} {'p':>7}"]
    for row in found:
        if row.telling is None:
            lines.append(f"{row.question:10} not tried: {row.reason}")
            continue
        told = row.telling
        lines.append(
            f"{row.question:10} {told.views:6} {told.accuracy:9.3f} "
            f"[{told.low:.3f}, {told.high:.3f}] {told.p:7.3f}"
        )
        if row.question in leaks:
            lines.append(f"  told by: {', '.join(told.strongest)}")
    lines.append(
        f"metadata tells: {', '.join(leaks)}" if leaks else "metadata tells nothing above chance"
    )
    return "\n".join(lines)
