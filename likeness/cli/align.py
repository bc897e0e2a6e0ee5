from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson, DatabaseUrl, WorkspacePath, family

if TYPE_CHECKING:
    from likeness.alignment.recipe import Recipe
    from likeness.cli.loop.studio import Studio
    from likeness.rewards.sets import RewardSet
    from likeness.store.workspace import Workspace

RUN = "run"

RecipeName = Annotated[str, typer.Argument(help="A recipe's name or TOML file.")]
Settings = Annotated[
    list[str] | None,
    typer.Argument(help="Such as masked_dpo.beta=1000.", metavar="KEY=VALUE..."),
]
CheckpointPath = Annotated[
    str,
    typer.Option("--checkpoint", help="The base: a preset's name or the folder of a checkpoint."),
]
World = Annotated[
    Literal["testbed", "real"],
    typer.Option("--rewards", help="Whose face detector and rewards are used."),
]


class Align(TyperGroup):
    """`align RECIPE` runs a recipe; a first word that is a verb of its own is that verb."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the verb that needs no word before a recipe."""
        if not args or args[0] not in {*self.commands, "--help", "-h"}:
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show the help of what is meant without a word, and then the verbs."""
        command = self.commands[RUN]
        with command.make_context(ctx.info_name, [], ctx.parent, resilient_parsing=True) as told:
            command.format_help(told, formatter)
        self.format_commands(ctx, formatter)


app = family(cls=Align)


@app.command(RUN, hidden=True)
def run(
    recipe: RecipeName,
    settings: Settings = None,
    *,
    workspace: WorkspacePath,
    name: Annotated[str, typer.Option(help="Of the run; the same name goes on with it.")],
    checkpoint: CheckpointPath = "tiny",
    shuffle: Annotated[
        bool, typer.Option(help="Draw winner and loser by lot: the control that should do nothing.")
    ] = False,
    rewards: World = "testbed",
    database: DatabaseUrl = None,
) -> None:
    """Align a checkpoint by the algorithm of a recipe: on a workspace's pairs, or in rounds.

    Killed or stopped (Ctrl-C once) and started again with the same words, it goes on where it was.
    """
    from likeness.alignment.recipe import RECIPES
    from likeness.cli.loop.algorithms import launcher
    from likeness.cli.loop.stopping import stopping
    from likeness.store.runs import RunFolder
    from likeness.store.workspace import Workspace

    chosen = RECIPES.load(recipe, [*(settings or []), *(["pairs.shuffle=true"] * shuffle)])
    with Workspace.open(workspace, database) as opened, opened.lock(f"run-{name}"):
        folder = RunFolder(opened.path / "runs" / name)
        folder.note_command(
            [
                *("align", _whole(recipe), *(settings or [])),
                *("--workspace", str(opened.path.absolute()), "--name", name),
                *("--checkpoint", _whole(checkpoint), "--rewards", rewards),
                *(["--shuffle"] * shuffle),
            ]
        )
        studio, judges = _studio(opened, checkpoint, rewards)
        with bars(chosen.algorithm) as progress, stopping(folder):
            outcome = launcher(chosen.algorithm)(studio, judges, chosen, name, progress)
    if not outcome.finished:
        say(f"{name}: step {outcome.step}, stopped; the same command goes on")
    else:
        say(f"{name}: step {outcome.step}, finished; adapter {outcome.adapter}")


@app.command()
def doctor(
    recipe: RecipeName,
    settings: Settings = None,
    *,
    workspace: WorkspacePath,
    checkpoint: CheckpointPath = "tiny",
    rewards: World = "testbed",
    steps: Annotated[int, typer.Option(help="Of learning one batch by heart.", min=1)] = 20,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Check a recipe on one batch of a workspace's pairs, before anybody pays for a run."""
    from dataclasses import asdict

    from likeness.alignment.checkup import examine
    from likeness.alignment.recipe import RECIPES
    from likeness.cli.loop.alignment import load_pairs
    from likeness.cli.loop.learnable import pairs_to_learn
    from likeness.store.errors import LikenessError
    from likeness.store.workspace import Workspace

    chosen: Recipe = RECIPES.load(recipe, settings or [])
    if not chosen.algorithm.endswith("_dpo"):
        raise LikenessError(f"there is no check for algorithm = {chosen.algorithm} yet")
    with Workspace.open(workspace, database) as opened:
        studio, _ = _studio(opened, checkpoint, rewards)
        pairs, _ = pairs_to_learn(opened, chosen.source)
        dataset = load_pairs(studio, pairs, chosen)
        with bars("checking") as progress:
            checks = examine(studio.generator, dataset, chosen.masked_dpo, steps, progress)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            say(f"{'good' if check.good else 'BAD':5} {check.name:22} {check.told}")
    if not all(check.good for check in checks):
        raise typer.Exit(1)


def _studio(opened: "Workspace", checkpoint: str, world: Any) -> "tuple[Studio, RewardSet]":
    from likeness.cli.loop.alignment import base_checkpoint
    from likeness.cli.loop.studio import Studio
    from likeness.model import Generator
    from likeness.rewards.sets import RewardSet

    generator, judges = Generator.load(checkpoint), RewardSet.load(world)
    base = base_checkpoint(opened, generator, checkpoint).id
    return Studio(opened, generator, base, judges.faces), judges


def _whole(word: str) -> str:
    """Write a path so that it holds from any folder; a name stays."""
    return str(Path(word).absolute()) if Path(word).exists() else word
