"""The whole flow of preference collection on drawn people, on a server of one's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.annotating.options import DIMENSIONS, names
from likeness.cli.console import bars, say

if TYPE_CHECKING:
    from likeness.annotation.choice.known import KnownPair
    from likeness.benchmark.suite import Case
    from likeness.store.workspace import Workspace

CAMPAIGN = "example"
SIMULATED, YOU = ("ada", "bob"), "you"
PEOPLE, SEEDS, PAIRS = 3, 2, 4
WORN = 0.08  # of a weight's deviation: noise that makes the second checkpoint the worse one
ABILITY = 0.9  # of simulated raters


def example(
    out: Annotated[Path, typer.Option(help="Takes the workspace.")] = Path("annotate"),
    seed: Annotated[int, typer.Option(help="Of all draws.", min=0)] = 0,
) -> None:
    """Collect preferences on drawn people: choose pairs, serve them, answer, sync and report.

    Two simulated raters answer through the server; a third queue waits for you in the browser. The
    server stays up until `likeness annotate down`.
    """
    from likeness.annotation.inbox.sync import sync
    from likeness.annotation.server.accounts import password_of
    from likeness.annotation.server.process import start
    from likeness.cli.annotating.posting import post
    from likeness.cli.annotating.report import report
    from likeness.store.raters import raters
    from likeness.store.workspace import Workspace

    folder = out / "workspace"
    with Workspace.create(folder) as workspace, workspace.lock("annotate-example"):
        with bars("drawn people and their samples") as progress:
            known = _clips(workspace, seed, progress)
        _plan(workspace, known, seed)
    with (
        Workspace.open(folder) as workspace,
        workspace.lock("annotate-server"),
        bars("label studio") as progress,
    ):
        place = start(folder, None, progress)
    post(folder, campaign=CAMPAIGN)
    with Workspace.open(folder) as workspace:
        _answer(workspace, seed)
        sync(workspace, place.server())
        account = raters(workspace)[YOU].account
    report(folder, campaign=CAMPAIGN)
    say()
    say(f"your own queue: log in at {place.url} as {account}")
    say(f"the password is {password_of(folder, account)}")
    say(f"then: likeness annotate sync {folder}, and likeness annotate down {folder}")


def _clips(workspace: "Workspace", seed: int, progress: Any) -> "tuple[KnownPair, ...]":
    """Film people, let two checkpoints make samples, and spoil true clips for known answers."""
    from likeness.cli.loop.stage import condition_of, stage_testbed
    from likeness.cli.loop.studio import Order, Sampler, Studio
    from likeness.model import Generator
    from likeness.rewards.sets import RewardSet
    from likeness.store.records import Checkpoint

    cases = stage_testbed(workspace, "heldout", PEOPLE, seed=seed, progress=progress)
    faces, base = RewardSet.load("testbed").faces, Generator.load("tiny")
    orders = [
        Order(condition=condition_of(case), seed=case.seed + 100 * draw)
        for case in cases
        for draw in range(SEEDS)
    ]
    for name, generator in (("tiny", base), ("tiny-worn", _worn(base, seed))):
        checkpoint = Checkpoint(
            id=name, run=None, step=0, path="", hash=generator.hash, preset="tiny"
        )
        workspace.add(checkpoint)
        Studio(workspace, generator, name, faces).make(orders, Sampler(steps=12), progress)
    return _known(workspace, cases)


def _worn(base: Any, seed: int) -> Any:
    """Copy a generator and shake its weights."""
    import torch

    from likeness.training.objective import copied

    worn, chance = copied(base), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in worn.transformer.parameters():
            if weight.dim() > 1:
                noise = torch.randn(weight.shape, generator=chance)
                weight.add_(noise * weight.std() * WORN)
    return worn


def _known(workspace: "Workspace", cases: "Sequence[Case]") -> "tuple[KnownPair, ...]":
    from likeness.annotation.choice.known import KnownPair
    from likeness.cli.loop.stage import condition_of
    from likeness.testbed.defects import blur, freeze

    found = []
    for case in cases:
        clip = workspace.get_clip(case.target)
        for spoilt, dimension, why in (
            (blur(clip, 2.0), "visual_quality", "it is blurred"),
            (freeze(clip, 2, len(clip) - 4), "motion_naturalness", "it stands still"),
        ):
            found.append(
                KnownPair(
                    condition=condition_of(case).id,
                    better=case.target,
                    worse=workspace.put_clip(spoilt),
                    dimensions=(dimension, "overall"),
                    why=why,
                )
            )
    return tuple(found)


def _plan(workspace: "Workspace", known: "tuple[KnownPair, ...]", seed: int) -> None:
    from likeness.annotation.choice.candidates import candidates
    from likeness.annotation.choice.dealing import Shares
    from likeness.annotation.choice.planning import Asked, Settings, plan
    from likeness.annotation.choice.policies import Evidence
    from likeness.annotation.layout import LAYOUT
    from likeness.store.judgements import Campaign, Rater
    from likeness.store.raters import append_rater, raters

    everybody = (*SIMULATED, YOU)
    for name in everybody:
        if name not in raters(workspace):
            append_rater(workspace, Rater(id=name, standing="invited", note="of the example"))
    settings = Settings(
        pairs=PAIRS, overlap=len(everybody), shares=Shares(gold=0.3, repeats=0.0), seed=seed
    )
    asked = Asked(
        candidates=candidates(workspace.samples(), workspace.scores()),
        evidence=Evidence(),
        known=known,
        raters=everybody,
    )
    empty = Campaign(id=CAMPAIGN, layout=LAYOUT, dimensions=names(DIMENSIONS), plan={})
    planned = plan(empty, settings, asked)
    workspace.add(planned.campaign, *planned.comparisons, *planned.assignments)


def _answer(workspace: "Workspace", seed: int) -> None:
    """Let simulated raters answer their queues through the server, as their accounts."""
    import numpy as np

    from likeness.annotation.server.accounts import password_of
    from likeness.annotation.server.line import Line
    from likeness.annotation.server.pages import personal_token
    from likeness.annotation.server.place import read_place
    from likeness.annotation.server.posting import keys, on_server
    from likeness.store.raters import campaign_rows, raters

    place, there = read_place(workspace.path), raters(workspace)
    rows = campaign_rows(workspace, CAMPAIGN)
    views = {view.id: view for view in rows.assignments}
    asked = {comparison.id: comparison for comparison in rows.comparisons}
    makers = {sample.id: sample.checkpoint for sample in workspace.samples()}
    with workspace.reading() as connection:
        projects = {each.rater: each.project for each in on_server(connection, place.name)}
    for number, name in enumerate(SIMULATED):
        rng = np.random.default_rng([seed, number])
        account = there[name].account
        token = personal_token(place.url, account, password_of(workspace.path, account))
        line = Line(place.url, token)
        for task in keys(place.server(), projects[name]):
            comparison, left = asked[views[task.key].comparison], views[task.key].left
            if task.annotations:
                continue
            result = [
                _region(dimension, _side(_better(comparison, dimension, makers), left, rng))
                for dimension in rows.campaign.dimensions
            ]
            body = {"result": [*result, _region("watched", "seen")], "lead_time": 20.0}
            line.ask("POST", f"/api/tasks/{task.id}/annotations/", body=body, again=False)


def _better(comparison: Any, dimension: str, makers: dict[str, str]) -> str:
    """Say which clip is better, or that neither is: by what is known, or by who made it."""
    if comparison.expected:
        return comparison.expected.get(dimension, "tie")
    first, second = (makers[sample] for sample in comparison.samples)
    if first == second:
        return "tie"
    return "first" if first == "tiny" else "second"


def _side(better: str, left: str, rng: Any) -> str:
    right_answer = better if better == "tie" else ("left" if better == left else "right")
    return right_answer if rng.random() < ABILITY else str(rng.choice(["left", "right", "tie"]))


def _region(name: str, value: str) -> dict[str, Any]:
    return {
        "from_name": name,
        "to_name": "view",
        "type": "choices",
        "value": {"choices": [value]},
    }
