from typing import Annotated, Literal

import typer

from likeness.cli.console import bars, say
from likeness.cli.options import DatabaseUrl, WorkspacePath


def align(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or TOML file.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Such as masked_dpo.beta=1000.", metavar="KEY=VALUE..."),
    ] = None,
    *,
    workspace: WorkspacePath,
    name: Annotated[str, typer.Option(help="Of the run; the same name goes on with it.")],
    checkpoint: Annotated[
        str, typer.Option(help="The base: a preset's name or the folder of a checkpoint.")
    ] = "tiny",
    shuffle: Annotated[
        bool, typer.Option(help="Draw winner and loser by lot: the control that should do nothing.")
    ] = False,
    rewards: Annotated[
        Literal["testbed", "real"],
        typer.Option(help="Whose face detector finds references' faces."),
    ] = "testbed",
    database: DatabaseUrl = None,
) -> None:
    """Align a checkpoint on a workspace's preference pairs, or on rewards of what it draws.

    The recipe says by which algorithm: masked DPO, GRPO or DiffusionNFT.
    """
    import numpy as np

    from likeness.alignment.mining import shuffle_pairs
    from likeness.alignment.recipe import RECIPES
    from likeness.cli.loop.alignment import align as run
    from likeness.cli.loop.alignment import base_checkpoint, load_pairs
    from likeness.cli.loop.studio import Studio
    from likeness.model import Generator
    from likeness.rewards.sets import RewardSet
    from likeness.store.workspace import Workspace

    chosen = RECIPES.load(recipe, settings or [])
    with Workspace.open(workspace, database) as opened, opened.lock(f"run-{name}"):
        if chosen.algorithm != "masked_dpo":
            from likeness.cli.loop.rollouts import align_on_rewards

            generator, judges = Generator.load(checkpoint), RewardSet.load(rewards)
            base = base_checkpoint(opened, generator, checkpoint).id
            studio = Studio(opened, generator, base, judges.faces)
            with bars(chosen.algorithm) as progress:
                outcome = align_on_rewards(studio, judges, chosen, name, progress)
            say(f"{name}: rollout {outcome.step}; adapter {outcome.adapter}")
            return
        pairs = opened.pairs(source=f"mined by {chosen.mining.reward}")
        if shuffle:
            pairs = shuffle_pairs(pairs, np.random.default_rng(chosen.masked_dpo.seed))
            opened.add(*pairs)
        generator = Generator.load(checkpoint)
        base = base_checkpoint(opened, generator, checkpoint).id
        studio = Studio(opened, generator, base, RewardSet.load(rewards).faces)
        dataset = load_pairs(studio, pairs, chosen)
        for reason, count in dataset.dropped.items():
            say(f"{count} pairs dropped for {reason}")
        with bars("masked DPO") as progress:
            outcome = run(studio, dataset, chosen, name, progress)
        state = "finished" if outcome.finished else "stopped; the same command goes on"
        say(f"{name}: step {outcome.step}, {state}; adapter {outcome.adapter}")
