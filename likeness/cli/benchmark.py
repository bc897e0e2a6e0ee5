from pathlib import Path
from typing import Annotated

import typer

from likeness.cli.console import bars, say
from likeness.cli.generate import AdapterPath, CheckpointPath


def benchmark(
    out: Annotated[Path, typer.Option(help="Folder for the workspace and board.json.")],
    checkpoint: CheckpointPath = "tiny",
    adapter: AdapterPath = None,
    steps: Annotated[int, typer.Option(help="Of the sampler.", min=1)] = 24,
    people: Annotated[int, typer.Option(help="Held-out testbed people.", min=2)] = 48,
    as_json: Annotated[bool, typer.Option("--json", help="Print board.json.")] = False,
) -> None:
    """Compare a checkpoint with its controls, and with its aligned form, on the testbed suite."""
    from likeness.benchmark.table import text
    from likeness.cli.generate import load
    from likeness.cli.loop.checkup import checkup
    from likeness.cli.loop.studio import Sampler
    from likeness.model import Generator

    generators = {"base": Generator.load(checkpoint)}
    if adapter is not None:
        generators["aligned"] = load(checkpoint, adapter)
    board = checkup(
        generators, out / "workspace", bars, sampler=Sampler(steps=steps), people=people
    )
    board.save(out / "board.json")
    say(board.to_json() if as_json else text(board))
