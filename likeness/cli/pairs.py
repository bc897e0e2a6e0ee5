from pathlib import Path
from typing import Annotated, Literal

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson, DatabaseUrl, WorkspacePath


def pairs(
    settings: Annotated[
        list[str] | None, typer.Argument(help="Such as mining.margin=0.1.", metavar="KEY=VALUE...")
    ] = None,
    *,
    workspace: WorkspacePath,
    recipe: Annotated[
        str, typer.Option(help="A recipe's name or file; its [mining] table is used.")
    ] = "tavr_masked_dpo",
    out: Annotated[
        Path | None, typer.Option(help="Write the pairs as CSV, Parquet or a Dataset's folder.")
    ] = None,
    rewards: Annotated[Literal["testbed", "real"], typer.Option(help="Whose rewards.")] = "testbed",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Score a workspace's samples and mine preference pairs from them."""
    from likeness.alignment.recipe import RECIPES
    from likeness.cli.loop.alignment import mine_pairs
    from likeness.cli.loop.judging import Question, judge
    from likeness.cli.loop.learnable import REASON, samples_to_learn
    from likeness.rewards.sets import RewardSet
    from likeness.store import LikenessError
    from likeness.store.records import Condition
    from likeness.store.workspace import Workspace

    chosen = RECIPES.load(recipe, settings or [])
    with Workspace.open(workspace, database) as opened:
        drawn = opened.samples()
        samples = samples_to_learn(opened, drawn)
        if drawn and not samples:
            raise LikenessError(
                f"{workspace}: all {len(drawn)} samples are of {REASON}, who are there to judge "
                "by; draw samples of other people"
            )
        if not samples:
            raise LikenessError(
                f"{workspace}: no samples to make pairs of; run the demo on it first"
            )
        conditions = {name: opened.get(Condition, name) for name in {s.condition for s in samples}}
        questions = [Question(clip=s.clip, condition=conditions[s.condition]) for s in samples]
        with bars("scoring") as progress:
            found = judge(opened, questions, RewardSet.load(rewards), progress)
        mining = mine_pairs(opened, samples, [s for row in found.values() for s in row], chosen)
    if out is not None:
        from likeness.store.exchange import pair_table, write_pairs

        write_pairs(pair_table(mining.pairs, {s.id: s for s in samples}, conditions), out)
    if as_json:
        print_json(
            {
                "pairs": [pair.id for pair in mining.pairs],
                "considered": mining.considered,
                "refused": dict(mining.refused),
            }
        )
        return
    say(f"{len(mining.pairs)} pairs of {mining.considered} couples")
    if left_out := len(drawn) - len(samples):
        say(f"  {left_out} samples left out: {REASON}")
    for reason, count in sorted(mining.refused.items()):
        say(f"  {count} refused: {reason}")
