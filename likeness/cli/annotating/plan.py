from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.annotating.options import DIMENSIONS, CampaignName, WorkspaceFolder, names
from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson, DatabaseUrl

if TYPE_CHECKING:
    from likeness.annotation.choice.planning import Planned
    from likeness.annotation.choice.policies import Evidence
    from likeness.store.workspace import Workspace


def plan(
    workspace: WorkspaceFolder,
    *,
    campaign: CampaignName,
    raters: Annotated[str, typer.Option(help="Who is asked, such as ada,bob,eve.")],
    pairs: Annotated[int, typer.Option(help="Questions to draw.", min=1)],
    policy: Annotated[
        str,
        typer.Option(help="random, margin, disagreement, information or preference."),
    ] = "random",
    overlap: Annotated[int, typer.Option(help="Raters a question is put to.", min=1)] = 3,
    gold: Annotated[float, typer.Option(help="Share of views with known answers.")] = 0.1,
    repeats: Annotated[float, typer.Option(help="Share of views that repeat a question.")] = 0.05,
    training: Annotated[int, typer.Option(help="Known views to begin with.", min=0)] = 0,
    known: Annotated[
        Path | None,
        typer.Option(help="Table of known pairs: condition, better, worse, dimensions, why."),
    ] = None,
    explore: Annotated[float, typer.Option(help="Share of the draws that is random.")] = 0.2,
    reward: Annotated[str, typer.Option(help="Of the policy margin.")] = "identity_ref",
    margin: Annotated[
        str | None,
        typer.Option(help="Wanted |difference| as LOW,HIGH; without, the smaller the better."),
    ] = None,
    preference: Annotated[
        Path | None,
        typer.Option(help="Folder of a learned preference, of the policy preference."),
    ] = None,
    dimensions: Annotated[str, typer.Option(help="What is asked of each pair.")] = DIMENSIONS,
    layout: Annotated[
        str | None, typer.Option(help="Version of the page that raters see; by default the newest.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all draws.", min=0)] = 0,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Choose pairs to ask about, deal them to raters, and draw the sides.

    The same command again writes nothing new; another plan under the same name is refused.
    """
    from likeness.annotation.choice.candidates import candidates
    from likeness.annotation.choice.dealing import Shares
    from likeness.annotation.choice.known import read_known
    from likeness.annotation.choice.planning import Asked, Settings
    from likeness.annotation.choice.planning import plan as plan_rows
    from likeness.annotation.layout import LAYOUT
    from likeness.store.judgements import Campaign
    from likeness.store.workspace import Workspace

    settings = Settings(
        policy=policy,
        pairs=pairs,
        overlap=overlap,
        explore=explore,
        shares=Shares(gold=gold if known else 0.0, repeats=repeats, training=training),
        seed=seed,
    )
    dimension_names, dealt = names(dimensions), names(raters)
    with Workspace.open(workspace, database) as opened:
        _check_raters(opened, dealt)
        asked = Asked(
            candidates=candidates(opened.samples(), opened.scores()),
            evidence=_evidence(opened, policy, (reward, margin, preference), dimension_names),
            known=read_known(known, dimension_names) if known else (),
            raters=dealt,
        )
        empty = Campaign(id=campaign, layout=layout or LAYOUT, dimensions=dimension_names, plan={})
        planned = plan_rows(empty, settings, asked)
        fresh = _write(opened, planned)
    told = _told(planned, fresh)
    if as_json:
        print_json(told)
    else:
        say(
            f"{campaign}: {told['comparisons']} comparisons, {told['views']} views of "
            f"{len(dealt)} raters" + ("" if fresh else "; it was planned just so already")
        )
        for rater, count in told["raters"].items():
            say(f"  {rater}: {count} views")
        if not known:
            say("  no known pairs: nobody is trained or checked; give a table with --known")


def _check_raters(workspace: "Workspace", dealt: tuple[str, ...]) -> None:
    from likeness.annotation.choice.candidates import ChoiceError
    from likeness.store.raters import raters

    there = raters(workspace)
    if not dealt:
        raise ChoiceError("--raters names nobody: give names separated by commas")
    for name in dealt:
        if name not in there:
            raise ChoiceError(
                f"nobody called {name} is known here; invite them with "
                f"`likeness annotate people {workspace.path} invite {name}`"
            )
        if there[name].standing == "suspended":
            raise ChoiceError(f"{name} is suspended ({there[name].note}) and is given nothing more")


def _evidence(
    workspace: "Workspace",
    policy: str,
    given: tuple[str, str | None, Path | None],
    dimensions: tuple[str, ...],
) -> "Evidence":
    """Gather what the policy goes by; annotation itself knows no rewards."""
    from likeness.annotation.choice.policies import Evidence

    reward, margin, folder = given
    if policy == "margin":
        return Evidence(reward=reward, margin=_range(margin))
    if policy == "disagreement":
        from likeness.benchmark.metrics import METRICS

        signs = {"higher": 1, "lower": -1}
        better = {
            metric.reward: signs[metric.better]
            for metric in METRICS.values()
            if metric.better is not None and metric.within is None
        }
        return Evidence(better=better)
    dimension = "overall" if "overall" in dimensions else dimensions[0]
    if policy == "information":
        from likeness.cli.annotating.options import duels_so_far, rows_so_far

        return Evidence(duels=duels_so_far(workspace, rows_so_far(workspace), dimension))
    if policy == "preference":
        from likeness.cli.annotating.asking_next import chances

        return Evidence(chances=chances(workspace, folder, dimension))
    return Evidence()


def _range(margin: str | None) -> tuple[float, float] | None:
    from likeness.annotation.choice.candidates import ChoiceError

    if margin is None:
        return None
    try:
        low, high = (float(part) for part in margin.split(","))
    except ValueError:
        raise ChoiceError(f"--margin is LOW,HIGH, such as 0.02,0.1, got {margin!r}") from None
    return low, high


def _write(workspace: "Workspace", planned: "Planned") -> bool:
    """Write all rows or none; return whether they are new."""
    from likeness.annotation.choice.candidates import ChoiceError
    from likeness.store.judgements import Campaign

    campaign = planned.campaign
    there = workspace.find(Campaign, id=campaign.id)
    if there and (there[0].plan, there[0].layout, there[0].dimensions) != (
        campaign.plan,
        campaign.layout,
        campaign.dimensions,
    ):
        differing = sorted(
            name
            for name in {*there[0].plan, *campaign.plan}
            if there[0].plan.get(name) != campaign.plan.get(name)
        )
        raise ChoiceError(
            f"campaign {campaign.id} is already planned, and differs in "
            f"{', '.join(differing) or 'its layout or dimensions'}; nothing was written: give "
            "the new plan another name"
        )
    workspace.add(campaign, *planned.comparisons, *planned.assignments)
    return not there


def _told(planned: "Planned", fresh: bool) -> dict[str, Any]:
    from collections import Counter

    return {
        "campaign": planned.campaign.id,
        "fresh": fresh,
        "comparisons": len(planned.comparisons),
        "kinds": dict(Counter(comparison.kind for comparison in planned.comparisons)),
        "views": len(planned.assignments),
        "raters": dict(Counter(assignment.rater for assignment in planned.assignments)),
        "least_chance": min(comparison.chance for comparison in planned.comparisons),
    }
