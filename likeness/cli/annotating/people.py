from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.store.judgements import Rater, Role
    from likeness.store.workspace import Workspace


def people(
    workspace: WorkspaceFolder,
    action: Annotated[
        Literal["list", "invite", "suspend", "reinstate"],
        typer.Argument(help="What to do; without it raters are listed."),
    ] = "list",
    name: Annotated[
        str | None, typer.Argument(help="By which votes call them.", metavar="[NAME]")
    ] = None,
    *,
    role: Annotated[
        Literal["annotator", "reviewer", "researcher", "admin"],
        typer.Option(help="Of who is invited."),
    ] = "annotator",
    account: Annotated[str, typer.Option(help="E-mail address on the server.")] = "",
    why: Annotated[str, typer.Option(help="Of a suspension; it is kept.")] = "",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Invite, suspend, reinstate and list those who judge.

    Rows are added and none is changed; the newest of a name counts. A suspended rater's votes
    stay, and weigh nothing in what is computed from then on.
    """
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        if action != "list":
            _change(opened, action, name, (role, account, why))
        found = _listed(opened, None if action == "list" else name)
    if as_json:
        print_json([rater.to_dict() for rater in found])
        return
    for rater in found:
        address, note = rater.account or "-", rater.note or "-"
        say(f"{rater.id}  {rater.role}  {rater.standing}  {address}  {note}")
    if not found:
        say(f"nobody yet; invite somebody with `likeness annotate people {workspace} invite NAME`")


def _listed(workspace: "Workspace", name: str | None) -> "list[Rater]":
    from likeness.store.raters import raters

    return [rater for known, rater in sorted(raters(workspace).items()) if name in {None, known}]


def _change(
    workspace: "Workspace", action: str, name: str | None, given: "tuple[Role, str, str]"
) -> None:
    from likeness.store.judgements import Rater
    from likeness.store.raters import append_rater, raters
    from likeness.store.record import RecordError, now

    if name is None:
        raise RecordError(f"{action} whom? Give a name: `likeness annotate people W {action} NAME`")
    role, account, why = given
    there = raters(workspace).get(name)
    if action == "invite":
        if there is not None and there.standing == "suspended":
            raise RecordError(f"{name} is suspended ({there.note}); reinstate them first")
        known = there or Rater(id=name, standing="invited")
        changed = replace(
            known, role=role, account=account or known.account, note=f"invited as {role}"
        )
    elif there is None:
        raise RecordError(f"nobody called {name} is known in {workspace.path}; invite them first")
    elif (there.standing == "suspended") == (action == "suspend"):
        raise RecordError(f"{name} is {there.standing} already ({there.note or 'no note'})")
    elif action == "suspend" and not why:
        raise RecordError("a suspension needs its reason: --why TEXT")
    else:
        standing = "suspended" if action == "suspend" else "active"
        changed = replace(there, standing=standing, note=why or "reinstated")
    append_rater(workspace, replace(changed, created=now()))
