from pathlib import Path
from typing import Annotated, Literal

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import family
from likeness.cli.studying.audit import audit_blinding
from likeness.cli.studying.create import create
from likeness.cli.studying.example import example
from likeness.cli.studying.report import export, report
from likeness.cli.studying.serve import close, link, serve, status

app = family(help="Rating studies and Turing tests: power, holding them, analysis.")
for verb in (create, serve, status, link, close, report, export, audit_blinding, example):
    app.command()(verb)

Margin = Annotated[float, typer.Option(help="How far from 0.5 an accuracy still counts as chance.")]
Alpha = Annotated[float, typer.Option(help="Level of the tests.", min=0.0001, max=0.5)]
Format = Annotated[Literal["json", "table"], typer.Option("--format", help="How to print it.")]


@app.callback()
def study() -> None:
    """Plan, hold and analyse studies with people."""


@app.command()
def analyse(
    table: Annotated[
        Path,
        typer.Argument(
            help="Folder of a study, or CSV or Parquet table. turing: rater, case, real_side, "
            "chosen (left or right), and for attention checks check (0 or 1); rating: rater, item, "
            "dimension, score."
        ),
    ],
    *,
    kind: Annotated[
        Literal["turing", "rating"] | None, typer.Option(help="What was asked; a folder says it.")
    ] = None,
    method: Annotated[
        Literal["p910", "p913", "bt500", "plain"] | None,
        typer.Option(help="Of mean opinion scores: P.910 Annex E, P.913, BT.500, the mean."),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="How far from 0.5 an accuracy counts as chance.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Level of the tests.", min=0.0001, max=0.5)
    ] = None,
    format: Format = "table",
) -> None:
    """Say what a study's answers or ratings support.

    A folder is analysed as its plan says; what is asked for otherwise here is listed as a
    deviation. A table has p910, a margin of 0.05 and a level of 0.05 where nothing else is said.
    """
    from likeness.benchmark.studies.answers import StudyError
    from likeness.cli.studying.telling import told_text

    if table.is_dir():
        from likeness.benchmark.studies.outcome import Settings, outcome
        from likeness.cli.studying.serve import opened

        with opened(table) as (folder, desk):
            if kind not in (None, folder.plan.kind):
                raise StudyError(f"{table} is a {folder.plan.kind} study, --kind says {kind}")
            settings = Settings(margin=margin, alpha=alpha, method=method)
            told = outcome(folder, desk.rows, settings)
        print_json(told) if format == "json" else say(told_text(told))
        return
    if kind == "turing":
        from likeness.benchmark.studies import turing
        from likeness.benchmark.studies.answers import read_answers

        told = turing.analyse(
            read_answers(table), turing.MARGIN if margin is None else margin, alpha or turing.ALPHA
        )
    elif kind == "rating":
        from likeness.benchmark.studies import rating
        from likeness.benchmark.studies.ratings import read_ratings

        told = rating.analyse(read_ratings(table), method or "p910")
    else:
        raise StudyError(f"{table} is a table: say with --kind what was asked, turing or rating")
    print_json(told) if format == "json" else say(told_text(told))


@app.command()
def power(
    *,
    aim: Annotated[
        Literal["equivalence", "difference"],
        typer.Option(help="Show that people are at chance, or that they are not."),
    ] = "equivalence",
    accuracy: Annotated[float, typer.Option(help="What it really is.")] = 0.5,
    margin: Margin = 0.05,
    wanted: Annotated[
        float, typer.Option("--power", help="Chance of showing it.", min=0.01, max=0.999)
    ] = 0.8,
    alpha: Alpha = 0.05,
    raters: Annotated[
        str, typer.Option(help="Numbers of raters to try, each of whom sees each case.")
    ] = "3,6,12,24,48",
    rater_sd: Annotated[
        float, typer.Option(help="Standard deviation of raters' log-odds.", min=0)
    ] = 0.4,
    case_sd: Annotated[float, typer.Option(help="That of cases.", min=0)] = 0.6,
    studies: Annotated[int, typer.Option(help="Simulated for each size.", min=50)] = 400,
    seed: Annotated[int, typer.Option(help="Of the simulation.", min=0)] = 0,
    format: Format = "table",
) -> None:
    """Say how many raters and cases a Turing test takes."""
    from dataclasses import asdict

    import numpy as np

    from likeness.benchmark.studies.power import Plan, answers_needed, needs
    from likeness.store import LikenessError

    try:
        counts = tuple(int(part) for part in raters.split(","))
    except ValueError as error:
        raise LikenessError(f"--raters takes whole numbers and commas, got {raters!r}") from error
    plan = Plan(
        aim=aim,
        accuracy=accuracy,
        margin=margin,
        power=wanted,
        alpha=alpha,
        rater_sd=rater_sd,
        case_sd=case_sd,
    )
    found = needs(plan, counts, studies, np.random.default_rng(seed))
    answers = answers_needed(plan)
    told = {"plan": asdict(plan), "answers": answers, "needs": [asdict(need) for need in found]}
    if format == "json":
        print_json(told)
        return
    lines = [
        f"{answers:,} answers, if they were independent",
        "raters  cases each  of them if independent  simulated power",
    ]
    for need in found:
        cases = f"{need.cases:,}" if need.cases is not None else "over 2,000"
        lines.append(f"{need.raters:6}  {cases:>10}  {need.independent:22,}  {need.power:15.2f}")
    say("\n".join(lines))
