import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.annotating.options import CampaignName, WorkspaceFolder
from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.judgements import Judgement
    from likeness.annotation.people.record import RaterReport, Share


def report(
    workspace: WorkspaceFolder,
    *,
    campaign: CampaignName,
    resamples: Annotated[int, typer.Option(help="Of intervals.", min=100)] = 200,
    seed: Annotated[int, typer.Option(help="Of the resamples.", min=0)] = 0,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Say who agrees with whom, how each rater works, and which checkpoint is preferred."""
    from likeness.annotation.people.record import reports
    from likeness.cli.annotating.votes import judged
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        said = judged(opened, campaign)
        checkpoints = {sample.id: sample.checkpoint for sample in opened.samples()}
    dimensions = [
        _dimension(name, said.trusted, checkpoints, (resamples, seed))
        for name in said.rows.campaign.dimensions
    ]
    people = reports(said.all)
    views, seen = len(said.rows.assignments), len({one.assignment.id for one in said.all})
    if as_json:
        from dataclasses import asdict

        print_json(
            {
                "campaign": campaign,
                "views": views,
                "judged": seen,
                "left_out": said.left_out,
                "dimensions": dimensions,
                "raters": [asdict(person) for person in people],
            }
        )
        return
    say(f"{campaign}: {seen} of {views} views judged")
    for reason, count in sorted(said.left_out.items()):
        say(f"  {count} votes left out: {reason}")
    for told in dimensions:
        _say_dimension(told)
    say()
    say("rater  views  gold  repeats  seconds  left  notes")
    for person in people:
        say(_line(person))


def _dimension(
    name: str,
    judgements: "tuple[Judgement, ...]",
    checkpoints: dict[str, str],
    drawing: tuple[int, int],
) -> dict[str, Any]:
    """Agreement, abilities and ranking of one dimension; what is missing has its reason."""
    import numpy as np

    from likeness.annotation.ability import abilities
    from likeness.annotation.agreement import agreement, kappas
    from likeness.annotation.ranking import Model
    from likeness.annotation.weights.contests import contests
    from likeness.annotation.weights.soft import labels_of
    from likeness.benchmark.arena import ArenaError, rank

    resamples, seed = drawing
    mine = [one for one in judgements if one.dimension == name]
    labels = labels_of(mine)
    told: dict[str, Any] = {"dimension": name, "votes": len(mine), "ranking": None}
    if labels is None:
        return told | {"alpha": math.nan, "reason": "no votes", "ranking_reason": "no votes"}
    found = agreement(labels, resamples, np.random.default_rng(seed))
    told |= {"alpha": found.alpha, "low": found.low, "high": found.high, "reason": found.reason}
    told["kappas"] = [vars(pair) for pair in kappas(labels)]
    told["abilities"] = [vars(rater) for rater in abilities(labels)]
    duels = contests(mine, checkpoints)
    if duels is None:
        return told | {"ranking_reason": "no votes between two checkpoints"}
    try:
        ranking = rank(duels, Model(), resamples, np.random.default_rng(seed))
    except ArenaError as error:
        return told | {"ranking_reason": str(error)}
    return told | {"ranking": ranking.to_dict(), "ranking_reason": None}


def _say_dimension(told: dict[str, Any]) -> None:
    if math.isnan(told["alpha"]):
        say(f"{told['dimension']}: no agreement ({told['reason']})")
    else:
        say(
            f"{told['dimension']}: {told['votes']} votes, alpha {told['alpha']:.3f} "
            f"[{told['low']:.3f}, {told['high']:.3f}]"
        )
    if told["ranking"] is None:
        say(f"  no ranking: {told['ranking_reason']}")
        return
    for row in told["ranking"]["systems"]:
        interval = f"[{row['low']:.3f}, {row['high']:.3f}]"
        say(f"  {row['system']}  {row['score']:.3f} {interval}, {row['votes']} votes")


def _line(person: "RaterReport") -> str:
    seconds = "none" if math.isnan(person.seconds) else f"{person.seconds:.1f}"
    notes = "; ".join(person.notes) or "-"
    shares = (_share(person.gold), _share(person.repeats))
    return (
        f"{person.rater}  {person.views}  {shares[0]}  {shares[1]}  {seconds}  "
        f"{_share(person.left)}  {notes}"
    )


def _share(share: "Share") -> str:
    if not share.trials:
        return "none"
    return f"{share.value:.2f} [{share.low:.2f}, {share.high:.2f}]"
