"""The learned preference as a model that Label Studio asks."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from likeness.cli.annotating.options import WorkspaceFolder
from likeness.cli.console import say
from likeness.cli.options import DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.advice.backend import Advice, Adviser
    from likeness.rewards.preference.learned import Learned
    from likeness.store.workspace import Workspace


def backend(
    workspace: WorkspaceFolder,
    *,
    preference: Annotated[Path, typer.Option(help="Folder of a learned preference.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.", min=0)] = 9090,
    database: DatabaseUrl = None,
) -> None:
    """Show reviewers, in Label Studio, what the learned preference expects.

    Reviewers' projects on the workspace's server are told of it. Annotators get no prediction.
    """
    from likeness.annotation.advice.backend import server
    from likeness.rewards.preference.learned import Learned
    from likeness.store.workspace import Workspace

    learned = Learned.load(preference)
    with Workspace.open(workspace, database) as opened:
        advise = adviser(opened, learned)
        with server((host, port), advise, f"preference-{learned.hash[:12]}") as serving:
            url = f"http://{host}:{serving.server_address[1]}"
            answering = threading.Thread(target=serving.serve_forever, daemon=True)
            answering.start()
            try:
                told = tell_reviewers(opened, url)
                say(f"listening on {url} for {told} reviewers' projects; end with Ctrl-C")
                with suppress(KeyboardInterrupt):
                    answering.join()
            finally:
                serving.shutdown()


def tell_reviewers(workspace: "Workspace", url: str) -> int:
    """Have the projects of reviewers on the workspace's server ask a model; return how many do.

    Raises:
        ServerError: there is no server, or it refuses.

    """
    from likeness.annotation.server.place import read_place
    from likeness.annotation.server.posting import on_server
    from likeness.store.raters import raters

    place = read_place(workspace.path)
    server = place.server()
    people = raters(workspace)
    with workspace.reading() as connection:
        projects = on_server(connection, place.name)
    asking = [
        each.project
        for each in projects
        if each.rater in people
        and people[each.rater].role == "reviewer"
        and server.project(each.project)
    ]
    for project in asking:
        server.ask_model(project, url)
    return len(asking)


def adviser(workspace: "Workspace", learned: "Learned") -> "Adviser":
    """Make what predicts a view: for reviewers as they stand now, and for nobody else."""
    from likeness.annotation.advice.backend import Advice
    from likeness.cli.annotating.asking_next import log_odds, preferred
    from likeness.store.judgements import Assignment, Campaign, Comparison
    from likeness.store.raters import raters

    def advise(key: str) -> Mapping[str, "Advice"]:
        views = workspace.find(Assignment, id=key)
        if not views:
            return {}
        (view,) = views
        rater = raters(workspace).get(view.rater)
        if rater is None or rater.role != "reviewer" or rater.standing == "suspended":
            return {}
        asked = workspace.get(Comparison, view.comparison)
        first, second = asked.first, asked.second
        left, right = (first, second) if view.left == "first" else (second, first)
        scores = [score for clip in (left, right) for score in workspace.scores(clip=clip)]
        found = {}
        for dimension in workspace.get(Campaign, asked.campaign).dimensions:
            if dimension not in learned.heads:
                continue
            leads = log_odds(scores, learned, dimension)
            if {left, right} <= leads.keys():
                (chance,) = preferred(learned, [leads[left] - leads[right]])
                found[dimension] = Advice(left=chance)
        return found

    return advise
