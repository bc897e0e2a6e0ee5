"""From the votes of a campaign to reviews, pairs and files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from likeness.cli.annotating.options import CampaignName, WorkspaceFolder
from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.judgements import Judgement
    from likeness.store.raters import CampaignRows
    from likeness.store.workspace import Workspace


def review(
    workspace: WorkspaceFolder,
    *,
    campaign: CampaignName,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Put what raters disagree on to reviewers, who don't see what was said."""
    from likeness.annotation.people.adjudication import adjudicate
    from likeness.store.raters import raters
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        said = judged(opened, campaign)
        found = adjudicate(said.trusted, said.rows.assignments, raters(opened))
        opened.add(*found.comparisons, *found.assignments)
    told = {
        "disputed": len(found.comparisons) + len(found.without),
        "new_views": len(found.assignments),
        "without_reviewer": list(found.without),
    }
    if as_json:
        print_json(told)
        return
    say(
        f"{told['disputed']} questions with both sides called better, {told['new_views']} new views"
    )
    if found.without:
        say(
            f"{len(found.without)} have no reviewer who hasn't judged them; invite one with "
            f"`likeness annotate people {workspace} invite NAME --role reviewer`"
        )


def votes_to_pairs(
    workspace: WorkspaceFolder,
    *,
    campaign: CampaignName,
    dimension: Annotated[str, typer.Option(help="Whose answers are used.")] = "overall",
    ties: Annotated[
        Literal["half", "out"], typer.Option(help="Use votes for neither, or leave them out.")
    ] = "half",
    by_chance: Annotated[
        bool, typer.Option("--by-chance", help="Weigh by the inverse of the chance of the draw.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write .csv, .parquet, or without a suffix a Dataset's folder."),
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Turn votes into pairs with weights and soft labels, source `votes`."""
    from likeness.annotation.weights.soft import pairs_of, soft_labels
    from likeness.store.exchange import pair_table, write_pairs
    from likeness.store.workspace import Workspace

    with Workspace.open(workspace, database) as opened:
        said = judged(opened, campaign)
        labels = soft_labels(said.trusted, dimension, ties)
        found = pairs_of(labels, campaign, by_chance=by_chance)
        replaced = opened.replace_pairs(
            found.pairs, "votes", campaign=campaign, dimension=dimension
        )
        samples = {sample.id: sample for sample in opened.samples()}
        conditions = {condition.id: condition for condition in opened.conditions()}
        table = pair_table(found.pairs, samples, conditions)
    if out is not None:
        write_pairs(table, out)
    told = {
        "pairs": [pair.id for pair in found.pairs],
        "replaced": replaced,
        "labels_left_out": found.left_out,
        "votes_left_out": said.left_out,
    }
    if as_json:
        print_json(told)
        return
    say(f"{len(found.pairs)} pairs of {len(labels)} questions in {dimension}")
    if replaced:
        say(f"  {replaced} pairs that earlier votes gave made way")
    for reason, count in sorted(found.left_out.items()):
        say(f"  {count} labels left out: {reason}")
    for reason, count in sorted(said.left_out.items()):
        say(f"  {count} votes left out: {reason}")


def import_pairs(
    workspace: WorkspaceFolder,
    table: Annotated[Path, typer.Argument(help="As `annotate pairs --out` wrote it.")],
    *,
    database: DatabaseUrl = None,
) -> None:
    """Take pairs from a file into a workspace that holds their samples."""
    from likeness.store.exchange import read_pairs
    from likeness.store.workspace import Workspace

    found = read_pairs(table)
    with Workspace.open(workspace, database) as opened:
        there = {pair.id for pair in opened.pairs()}
        opened.add(*found)
    fresh = len({pair.id for pair in found} - there)
    say(f"{len(found)} pairs read, {fresh} of them new")


class Judged(NamedTuple):
    """A campaign's rows and judgements; what was left out of the trusted ones, by reason."""

    rows: "CampaignRows"
    all: "tuple[Judgement, ...]"
    trusted: "tuple[Judgement, ...]"
    left_out: dict[str, int]


def judged(workspace: "Workspace", campaign: str) -> Judged:
    """Read what counts of a campaign's votes, and of it what raters said who are not suspended."""
    from likeness.annotation.judgements import counting
    from likeness.annotation.people.standing import trusted
    from likeness.store.raters import campaign_rows, raters

    rows = campaign_rows(workspace, campaign)
    counted = counting(rows.votes, rows.assignments, rows.comparisons)
    kept = trusted(counted.judgements, raters(workspace))
    left_out = dict(counted.left_out)
    if gone := len(counted.judgements) - len(kept):
        left_out["of raters who are suspended or unknown"] = gone
    return Judged(rows, counted.judgements, kept, left_out)
