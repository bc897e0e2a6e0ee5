"""Arguments that several verbs share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from likeness.annotation.duels import Duels
    from likeness.store.raters import CampaignRows
    from likeness.store.workspace import Workspace

WorkspaceFolder = Annotated[
    Path,
    typer.Argument(
        metavar="WORKSPACE",
        envvar="LIKENESS_WORKSPACE",
        help="Folder of the workspace.",
        file_okay=False,
    ),
]

CampaignName = Annotated[str, typer.Option("--campaign", help="Name of the campaign.")]

DIMENSIONS = "identity,lip_sync,motion_naturalness,visual_quality,expressiveness,overall"


def names(text: str) -> tuple[str, ...]:
    """Split a list that is separated by commas."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def rows_so_far(workspace: "Workspace") -> "list[CampaignRows]":
    """Read all campaigns of a workspace."""
    from likeness.store.judgements import Campaign
    from likeness.store.raters import campaign_rows

    return [campaign_rows(workspace, campaign.id) for campaign in workspace.find(Campaign)]


def duels_so_far(
    workspace: "Workspace", found: "list[CampaignRows]", dimension: str
) -> "Duels | None":
    """Gather the votes of campaigns as votes between checkpoints; None where there are none."""
    from likeness.annotation.judgements import counting
    from likeness.annotation.people.standing import trusted
    from likeness.annotation.weights.contests import contests
    from likeness.store.raters import raters

    checkpoints = {sample.id: sample.checkpoint for sample in workspace.samples()}
    standing = raters(workspace)
    counted = [
        judgement
        for rows in found
        for judgement in trusted(
            counting(rows.votes, rows.assignments, rows.comparisons).judgements, standing
        )
        if judgement.dimension == dimension
    ]
    return contests(counted, checkpoints)
