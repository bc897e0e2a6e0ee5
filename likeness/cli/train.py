from pathlib import Path
from typing import Annotated

import typer

from likeness.cli.console import bars, say
from likeness.cli.options import WorkspacePath


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or TOML file.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Such as stages.cross_scene.steps=500.", metavar="KEY=VALUE..."),
    ] = None,
    *,
    data: Annotated[
        Path, typer.Option(help="What to learn from: what `testbed film` or `corpus make` made.")
    ],
    workspace: WorkspacePath,
    name: Annotated[str, typer.Option(help="Of the run; the same name goes on with it.")],
    checkpoint: Annotated[
        str, typer.Option(help="What to begin with: a preset's name or a checkpoint's folder.")
    ] = "tiny",
    scratch: Annotated[
        bool, typer.Option(help="Keep the checkpoint's codec alone; draw the transformer anew.")
    ] = False,
    movement_tokens: Annotated[
        int,
        typer.Option(
            help="Give it a fresh movement stream of so many tokens a latent frame.", min=0
        ),
    ] = 0,
    held_out: Annotated[
        int,
        typer.Option(
            help="People to judge it on after each stage: a corpus's own held-out ones where it "
            "has some, or else the testbed's.",
            min=0,
        ),
    ] = 8,
) -> None:
    """Train a generator in the stages of a recipe; on several devices, start it by `torchrun`.

    Killed or stopped (Ctrl-C once) and started again with the same words, it goes on where it was.
    """
    from likeness.cli.loop.learning import learn, moving, redrawn, source_of
    from likeness.model import Generator
    from likeness.training.trainer import RECIPES

    chosen = RECIPES.load(recipe, settings or [])
    generator = Generator.load(checkpoint)
    if scratch:
        generator = redrawn(generator, chosen.seed)
    source = source_of(data, generator, chosen.stages.values())
    if movement_tokens:
        generator = moving(generator, source, movement_tokens, chosen.seed)
    with bars("training") as progress:
        finished = learn(
            generator,
            source,
            chosen,
            workspace=workspace,
            name=name,
            people=held_out,
            progress=progress,
        )
    folder = workspace / "runs" / name
    state = f"finished; the generator is {folder / 'generator'}" if finished else "stopped"
    say(f"{name}: {state}" + ("" if finished else "; the same command goes on"))
