from pathlib import Path
from typing import Annotated

import typer

from likeness.cli.console import bars, say
from likeness.cli.options import family

app = family(help="Draw talking people; make the tiny weights from nothing.")


@app.command()
def render(
    out: Annotated[Path, typer.Argument(help="Folder for the clips.")],
    people: Annotated[int, typer.Option(help="How many people.", min=1)] = 4,
    scenes: Annotated[int, typer.Option(help="Scenes of each.", min=1)] = 2,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=0.04)] = 4.0,
    size: Annotated[int, typer.Option(help="Height and width in pixels.", min=16)] = 256,
    split: Annotated[str, typer.Option(help="train, tune, heldout or spare.")] = "spare",
) -> None:
    """Film testbed people as mp4 files, with a table of who is in which."""
    import pandas as pd

    from likeness.store.media import encode
    from likeness.store.sheets import write_sheet
    from likeness.testbed.cast import cast, take_of

    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with bars("filming") as progress:
        for number, person in enumerate(cast(split, people)):
            for scene in range(scenes):
                take = take_of(person, scene, seconds, size)
                name = f"{person.identity}_{scene}.mp4"
                encode(take.clip, out / name)
                rows.append(
                    {
                        "path": name,
                        "identity": person.identity,
                        "scene": take.clip.scene,
                        "caption": take.caption,
                    }
                )
            progress(number + 1, people, person.identity)
    write_sheet(pd.DataFrame(rows), out / "clips.csv")
    say(f"{len(rows)} clips in {out}, listed in clips.csv")


@app.command(name="film")
def film_takes(
    out: Annotated[Path, typer.Argument(help="Folder for the takes.")],
    people: Annotated[int, typer.Option(help="How many people.", min=2)] = 240,
    scenes: Annotated[int, typer.Option(help="Scenes of each.", min=2)] = 3,
    seconds: Annotated[float, typer.Option(help="Length of a take.", min=1.2)] = 2.0,
    split: Annotated[str, typer.Option(help="train, tune, heldout or spare.")] = "train",
) -> None:
    """Film testbed people as arrays to train on, with their boxes, marks and captions."""
    from likeness.cli.loop.reels import save_reel
    from likeness.testbed.cast import cast
    from likeness.testbed.film import film

    with bars("filming") as progress:
        reel = film(cast(split, people), scenes, seconds, progress=progress)
        save_reel(reel, out)
    say(f"{people} people in {scenes} scenes, {seconds:g} s each, in {out}")


@app.command()
def collection(
    out: Annotated[Path, typer.Argument(help="Folder for the clips and truth.csv.")],
    people: Annotated[int, typer.Option(help="How many are there in four scenes.", min=1)] = 10,
    singles: Annotated[int, typer.Option(help="How many are there once.", min=0)] = 5,
    faulty: Annotated[int, typer.Option(help="Clips of each of 15 faults.", min=0)] = 1,
    seconds: Annotated[float, typer.Option(help="Length of a clip.", min=0.8)] = 1.2,
) -> None:
    """Film a collection with planted people and faults, to try a curation on."""
    from likeness.testbed.collection import Plan, make

    plan = Plan(people=people, singles=singles, faulty=faulty, seconds=seconds)
    with bars("filming") as progress:
        rows = make(plan, out, progress=progress)
    say(f"{len(rows)} clips in {out}; truth.csv says who and what is in each")


@app.command()
def build(
    out: Annotated[Path, typer.Option(help="Where the weights go.")] = Path("build/tiny"),
    work: Annotated[Path, typer.Option(help="Films and unfinished trainings; several GB.")] = Path(
        "build/work"
    ),
    compare: Annotated[bool, typer.Option(help="Print how the result compares.")] = True,
) -> None:
    """Make the weights of the tiny preset from nothing, in under two hours on two cores.

    Stopped at any moment and started again, it goes on where it was.
    """
    from likeness.cli.loop.building import Build, BuildRecipe

    generator = Build(work=work, out=out, recipe=BuildRecipe(), bars=bars).run()
    say(f"weights in {out}, hash {generator.hash[:16]}")
    if compare:
        from likeness.benchmark.table import text
        from likeness.cli.loop.checkup import checkup

        say(text(checkup({"base": generator}, work / "checkup", bars)))
