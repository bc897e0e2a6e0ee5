"""What concerns the rewards themselves: do they tell defects, and do they agree with people."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from likeness.cli.calibrating import calibrate
from likeness.cli.console import bars, print_json, say, to_json
from likeness.cli.options import AsJson, family
from likeness.cli.preferring import fit_preference, tune_preference

app = family(help="Check and calibrate rewards; learn one from votes.")

Out = Annotated[Path, typer.Option(help="Folder to write into.", file_okay=False)]
app.command("calibrate")(calibrate)
app.command("fit-preference")(fit_preference)
app.command("tune-preference")(tune_preference)


@app.command("check")
def check(
    *,
    out: Out,
    people: Annotated[int, typer.Option(help="Whose clips are spoilt.", min=2)] = 24,
    seconds: Annotated[float, typer.Option(help="Of each clip.", min=1.0)] = 2.0,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with one folder a person, or table with columns clip, person."),
    ] = None,
    rewards: Annotated[Literal["testbed", "real"], typer.Option(help="Whose rewards.")] = "testbed",
    seed: Annotated[int, typer.Option(help="Of whatever is drawn.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say how each reward responds to each known defect: tables, curves and what must hold.

    Clips are drawn people of the split `spare` where no data is given. Started again with the same
    folder it goes on. The exit code is 1 where something does not hold.
    """
    from likeness.cli.checking.cells import CellBook, Plan, fill
    from likeness.cli.checking.page import curves_page, markdown
    from likeness.cli.checking.responses import combined, report
    from likeness.cli.checking.specimens import drawn_specimens, labelled_specimens
    from likeness.rewards.combine.recipe import COMBINATIONS
    from likeness.rewards.sets import RewardSet
    from likeness.store.atomic import write_bytes
    from likeness.store.recipes import recipe_table

    loaded, plan = RewardSet.load(rewards).with_movement(), Plan(seed=seed)
    if data is None:
        specimens = drawn_specimens("spare", people, seconds)
    else:
        specimens = labelled_specimens(data, loaded.faces, people, seconds)
    asked = {
        "plan": recipe_table(plan),
        "clips": [s.subject.clip.hash for s in specimens],
        "versions": loaded.versions,
    }
    with bars("checking") as progress:
        cells = fill(CellBook(out, asked), specimens, loaded, plan, progress)
    found = report(combined(cells, COMBINATIONS.load(rewards)), asked)
    text = markdown(found)
    write_bytes(out / "check.md", text.encode())
    write_bytes(out / "check.json", to_json(found.to_dict()).encode())
    write_bytes(out / "check.html", curves_page(found).encode())
    if as_json:
        print_json(found.to_dict())
    else:
        say(text)
    if not all(f.holds for f in found.findings):
        raise typer.Exit(1)
