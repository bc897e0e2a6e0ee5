from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.arena import arena
from likeness.cli.boards import board, gate, import_, verify, withdraw
from likeness.cli.console import bars, say
from likeness.cli.contesting import export, run, submit
from likeness.cli.curating import curate
from likeness.cli.generate import AdapterPath, CheckpointPath
from likeness.cli.options import family

if TYPE_CHECKING:
    from likeness.benchmark.ablation import Ablations

app = family(help="Compare checkpoints on a cross-scene suite: the board.")
ablations = family(help="Take parts away, one at a time, and see what they were worth.")
app.add_typer(ablations, name="ablate")
app.command()(arena)
app.command()(curate)
app.command()(export)
app.command()(run)
app.command()(submit)
app.command()(board)
app.command(name="import")(import_)
app.command()(verify)
app.command()(gate)
app.command()(withdraw)

Steps = Annotated[int | None, typer.Option(help="Of the sampler; the preset's by default.", min=1)]
Ablated = Annotated[
    Path, typer.Option(help="Folder for the workspace, ablation.json and ablation.md.")
]
People = Annotated[int, typer.Option(help="Held-out testbed people.", min=2)]


@app.callback(invoke_without_command=True)
def benchmark(
    context: typer.Context,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the workspace and board.json.")
    ] = None,
    checkpoint: CheckpointPath = "tiny",
    adapter: AdapterPath = None,
    steps: Steps = None,
    people: People = 48,
    as_json: Annotated[bool, typer.Option("--json", help="Print board.json.")] = False,
) -> None:
    """Compare a checkpoint with its controls, and with its aligned form, on the testbed suite."""
    from likeness.store import LikenessError

    if context.invoked_subcommand is not None:
        if out is not None:
            raise LikenessError(f"write --out {out} after the last word of the command")
        return
    from likeness.benchmark.table import text
    from likeness.cli.generate import load
    from likeness.cli.loop.checkup import checkup
    from likeness.cli.loop.studio import Sampler
    from likeness.model import Generator

    if out is None:
        raise LikenessError("benchmark needs --out: a folder for the workspace and board.json")
    generators = {"base": Generator.load(checkpoint)}
    if adapter is not None:
        generators["aligned"] = load(checkpoint, adapter)
    found = checkup(
        generators, out / "workspace", bars, sampler=Sampler(steps=steps), people=people
    )
    found.save(out / "board.json")
    say(found.to_json() if as_json else text(found))


@ablations.callback()
def ablate() -> None:
    """Take parts away, one at a time, and see what they were worth."""


@ablations.command()
def model(
    *,
    checkpoint: CheckpointPath = "tiny",
    out: Ablated = Path("ablation"),
    people: People = 48,
    steps: Steps = None,
    only: Annotated[
        Literal["frames", "audio", "selection"] | None,
        typer.Option(help="Make this table alone."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablation.json.")] = False,
) -> None:
    """Make the tables of TAVR's ablations on the testbed suite, and say what they confirm.

    Frames of the reference (Figure 3), its sound (Table 3), and selection of its tokens (Table 4).
    What the workspace in the folder has already is not made again.
    """
    from likeness.benchmark.ablation import STUDIES
    from likeness.cli.loop.ablating import ablate
    from likeness.cli.loop.studio import Sampler
    from likeness.model import Generator

    found = ablate(
        Generator.load(checkpoint),
        out / "workspace",
        bars,
        people=people,
        studies=[only] if only else STUDIES,
        sampler=Sampler(steps=steps),
    )
    _tell(found, out, as_json)


@ablations.command()
def training(
    comparison: Annotated[
        str, typer.Argument(help="Arms and their stages: a packaged name or a TOML file.")
    ] = "table_2",
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Such as stages.same.steps=300.", metavar="KEY=VALUE..."),
    ] = None,
    *,
    data: Annotated[Path, typer.Option(help="Takes to learn from, as `testbed film` makes them.")],
    checkpoint: CheckpointPath = "tiny",
    out: Ablated = Path("ablation"),
    people: People = 48,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablation.json.")] = False,
) -> None:
    """Make TAVR's ablation of training stages (Table 2) on the testbed suite.

    Every arm is trained from a transformer drawn anew. Stopped at any moment and started again, it
    goes on where it was.
    """
    from likeness.cli.loop.schooling import Schooling
    from likeness.model import Generator
    from likeness.training.comparison import COMPARISONS

    schooling = Schooling(
        base=Generator.load(checkpoint),
        data=data,
        out=out,
        comparison=COMPARISONS.load(comparison, settings or []),
        people=people,
        bars=bars,
    )
    _tell(schooling.run(), out, as_json)


@ablations.command()
def movement(
    *,
    checkpoint: CheckpointPath,
    out: Ablated = Path("ablation"),
    people: People = 24,
    seconds: Annotated[
        float, typer.Option(help="Of a clip; a manner hardly shows in one.", min=1.0)
    ] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablation.json.")] = False,
) -> None:
    """Show what a checkpoint's movement stream does on held-out testbed people.

    Movement of its own, in the person's manner, in another person's manner, and following the true
    clip's movement: how well it is followed, and whose manner the clips have.
    """
    from likeness.cli.loop.moves import Moves
    from likeness.model import Generator

    moves = Moves(
        generator=Generator.load(checkpoint), out=out, people=people, seconds=seconds, bars=bars
    )
    _tell(moves.run(), out, as_json)


@ablations.command()
def alignment(
    comparison: Annotated[
        str, typer.Argument(help="Arms and their recipes: a packaged name or a TOML file.")
    ] = "table_5",
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="Such as learnt=24.", metavar="KEY=VALUE..."),
    ] = None,
    *,
    checkpoint: CheckpointPath = "tiny",
    out: Ablated = Path("ablation"),
    people: People = 48,
    seeds: Annotated[
        int | None, typer.Option(help="Trainings of each arm; the comparison's by default.", min=1)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablation.json.")] = False,
) -> None:
    """Make TAVR's ablation of masked DPO (Table 5), and hack GRPO, on the testbed suite.

    Masked, unmasked, with the real clip as winner; on rewards with guards and without. Stopped at
    any moment and started again, it goes on where it was.
    """
    from likeness.alignment.comparison import COMPARISONS
    from likeness.cli.loop.aligning import Aligning

    words = [*(settings or []), *([f"seeds={seeds}"] if seeds else [])]
    aligning = Aligning(
        checkpoint=checkpoint,
        out=out,
        comparison=COMPARISONS.load(comparison, words),
        people=people,
        bars=bars,
    )
    _tell(aligning.run(), out, as_json)


def _tell(found: "Ablations", out: Path, as_json: bool) -> None:
    from likeness.benchmark.markdown import page
    from likeness.store.atomic import write_bytes

    found.save(out / "ablation.json")
    text = page(found)
    write_bytes(out / "ablation.md", text.encode())
    say(found.to_json() if as_json else text)
