"""Whether what a rater is sent tells more than it shows: audit-blinding."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import bars, print_json, say
from likeness.cli.options import DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.blinding.audit import Finding


def audit_blinding(
    workspace: WorkspaceFolder,
    *,
    email: Annotated[
        str | None,
        typer.Option(
            envvar="LABEL_STUDIO_USERNAME",
            help="Who looks, as raters do; without it, the account of our own server.",
        ),
    ] = None,
    password: Annotated[
        str | None, typer.Option(envvar="LABEL_STUDIO_PASSWORD", help="Theirs.")
    ] = None,
    most: Annotated[int, typer.Option(help="Views to fetch at most.", min=20)] = 400,
    seed: Annotated[int, typer.Option(help="Of views, folds and deals.", min=0)] = 0,
    format: Annotated[
        Literal["json", "table"], typer.Option("--format", help="How to print it.")
    ] = "table",
    database: DatabaseUrl = None,
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
    from likeness.annotation.server.place import read_place
    from likeness.store.judgements import Assignment
    from likeness.store.workspace import Workspace

    rng = np.random.default_rng(seed)
    place = read_place(workspace)
    if (email is None) != (password is None) or not (email or place.ours):
        raise AuditError(f"{place.url} needs an account to look with: give --email and --password")
    visit = Visit(place.url)
    visit.log_in(email or place.account, password or place.password)
    with Workspace.open(workspace, database) as opened:
        dealt = {view.id: view for view in opened.find(Assignment)}
        tasks = {task["data"].get("key"): task for task in visit.tasks()}
        keys = sorted(dealt.keys() & tasks.keys())
        if not keys:
            raise AuditError(f"{place.url}: none of its tasks is a view of {workspace}; post first")
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
