from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import family

app = family(help="Rating studies and Turing tests: power before, analysis after.")

Margin = Annotated[float, typer.Option(help="How far from 0.5 an accuracy still counts as chance.")]
Alpha = Annotated[float, typer.Option(help="Level of the tests.", min=0.0001, max=0.5)]
Format = Annotated[Literal["json", "table"], typer.Option("--format", help="How to print it.")]


@app.callback()
def study() -> None:
    """Plan and analyse studies with people."""


@app.command()
def analyse(
    table: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet table. turing: rater, case, real_side, chosen (left or right), "
            "and for attention checks check (0 or 1); rating: rater, item, dimension, score."
        ),
    ],
    *,
    kind: Annotated[Literal["turing", "rating"], typer.Option(help="What was asked.")],
    method: Annotated[
        Literal["p910", "p913", "bt500", "plain"],
        typer.Option(help="Of mean opinion scores: P.910 Annex E, P.913, BT.500, the mean."),
    ] = "p910",
    margin: Margin = 0.05,
    alpha: Alpha = 0.05,
    format: Format = "table",
) -> None:
    """Say what a study's answers or ratings support."""
    if kind == "turing":
        from likeness.benchmark.studies import turing
        from likeness.benchmark.studies.answers import read_answers

        told = turing.analyse(read_answers(table), margin=margin, alpha=alpha)
        text = _turing
    else:
        from likeness.benchmark.studies import rating
        from likeness.benchmark.studies.ratings import read_ratings

        told = rating.analyse(read_ratings(table), method)
        text = _rating
    if format == "json":
        print_json(told)
    else:
        say(text(told))


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


def _turing(told: dict[str, Any]) -> str:
    test, model = told["equivalence"], told["mixed_model"]
    verdict = "at chance" if test["equivalent"] else "not shown to be at chance"
    lines = [
        f"{told['answers']:,} answers by {told['raters']} raters on {told['cases']} cases",
        f"accuracy          {told['accuracy']:.3f}",
        f"  Wilson          {_ends(told['accuracy_wilson'])}, if answers were independent",
        f"  Clopper-Pearson {_ends(told['accuracy_clopper_pearson'])}, likewise",
        f"  clustered       {_ends(told['accuracy_clustered'])}, for other raters and cases",
        f"d'                {told['d_prime']:.3f} {_ends(told['d_prime_interval'])}",
        f"position bias     {told['position_bias']:+.3f} {_ends(told['position_bias_interval'])}",
        f"fooled somebody   {told['fooled_any']:.3f} of cases, "
        f"{told['expected_fooled_any']:.3f} from independent raters, "
        f"{told['ceiling_fooled_any']:.3f} at most",
        f"fooled most       {told['fooled_majority']:.3f} of cases, "
        f"{told['expected_fooled_majority']:.3f} from independent raters",
        f"equivalence       {verdict} within {test['margin']:g}: p {test['p']:.3g} exact, "
        f"{test['p_clustered']:.3g} clustered",
    ]
    if model["reason"]:
        lines.append(f"mixed model       none: {model['reason']}")
    else:
        lines.append(
            f"mixed model       {model['accuracy']:.3f} {_ends((model['low'], model['high']))} for "
            f"an average rater and case; sd of raters {model['rater_sd']:.2f}, of cases "
            f"{model['case_sd']:.2f} log-odds"
        )
    lines += ["", f"{'rater':16} answers  accuracy            d'   left"]
    lines += [
        f"{row['rater']:16} {row['answers']:7}  {row['accuracy']:.3f} "
        f"{_ends((row['low'], row['high']))}  {row['d_prime']:5.2f}  {row['left_share']:.2f}"
        for row in told["per_rater"]
    ]
    return "\n".join(lines + [f"note: {note}" for note in told["notes"]])


def _rating(told: dict[str, Any]) -> str:
    lines = [
        f"{told['ratings']:,} ratings, {told['method']}",
        f"{'item':24} {'dimension':20}   MOS  95 % interval   ratings",
    ]
    lines += [
        f"{row['item']:24} {row['dimension']:20} {row['mos']:5.2f}  "
        f"{_ends((row['low'], row['high'])):14}  {row['ratings']:7}"
        for row in told["items"]
    ]
    lines += ["", f"{'rater':24} {'dimension':20}   bias  inconsistency"]
    for row in told["raters"]:
        marks = [name.replace("_", " ") for name in ("rejected", "straight_line") if row[name]]
        lines.append(
            f"{row['rater']:24} {row['dimension']:20} {row['bias']:+6.2f}  "
            f"{row['inconsistency']:13.2f}  {', '.join(marks)}".rstrip()
        )
    return "\n".join(lines + [f"note: {note}" for note in told["notes"]])


def _ends(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"[{low:.3f}, {high:.3f}]"
