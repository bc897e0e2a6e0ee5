import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from likeness.cli.annotating.backend import backend
from likeness.cli.annotating.blinding import audit_blinding
from likeness.cli.annotating.example import example
from likeness.cli.annotating.people import people
from likeness.cli.annotating.plan import plan
from likeness.cli.annotating.posting import post
from likeness.cli.annotating.report import report
from likeness.cli.annotating.serving import down, status, up
from likeness.cli.annotating.syncing import listen, sync, verify
from likeness.cli.annotating.votes import import_pairs, review, votes_to_pairs
from likeness.cli.console import print_json, say
from likeness.cli.options import family

if TYPE_CHECKING:
    from likeness.annotation.ability import Ability
    from likeness.annotation.agreement import Kappa
    from likeness.annotation.labels import Labels

app = family(help="What people said: who agrees with whom.")
for verb in (example, up, down, status, people, plan, post, sync, verify, listen, report, review):
    app.command()(verb)
app.command("pairs")(votes_to_pairs)
app.command("import-pairs")(import_pairs)
app.command()(backend)
app.command()(audit_blinding)


@app.callback()
def annotate() -> None:
    """Collect and check what people say of clips."""


@app.command()
def agreement(
    labels: Annotated[
        Path, typer.Argument(help="CSV or Parquet table with columns rater, item and value.")
    ],
    *,
    level: Annotated[
        Literal["nominal", "ordinal", "interval"],
        typer.Option(help="Whether values are names, an order or numbers."),
    ] = "nominal",
    resamples: Annotated[
        int, typer.Option(help="How often items are drawn again.", min=100)
    ] = 1000,
    seed: Annotated[int, typer.Option(help="Of the resamples.", min=0)] = 0,
    format: Annotated[
        Literal["json", "table"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Print Krippendorff's alpha with its interval, kappas of raters, and their abilities."""
    import numpy as np

    from likeness.annotation.ability import abilities
    from likeness.annotation.agreement import agreement as measure
    from likeness.annotation.agreement import kappas
    from likeness.annotation.labels import read_labels

    given = read_labels(labels, level)
    found = measure(given, resamples, np.random.default_rng(seed))
    told = {
        "alpha": found.alpha,
        "low": found.low,
        "high": found.high,
        "reason": found.reason,
        "level": level,
        "raters": len(given.raters),
        "items": len(given.items),
        "items_of_two_raters": found.items,
        "labels": len(given.value),
        "missing": given.missing,
    }
    pairs, able = kappas(given), abilities(given)
    if format == "json":
        told["kappas"] = [vars(pair) for pair in pairs]
        told["abilities"] = [vars(rater) for rater in able]
        print_json(told)
    else:
        say(_table(told, given, pairs, able))


def _table(
    told: dict[str, Any], labels: "Labels", pairs: "list[Kappa]", able: "list[Ability]"
) -> str:
    lines = [
        f"{told['labels']:,} labels by {told['raters']} raters of {told['items']} items, "
        f"{told['items_of_two_raters']} of them by two raters or more; {told['missing']} missing",
        f"alpha ({told['level']}): {_number(told['alpha'])} "
        f"[{_number(told['low'])}, {_number(told['high'])}]",
    ]
    lines += [f"note: {told['reason']}"] if told["reason"] else []
    width = max(7, *(len(name) for name in labels.raters))
    kappa = {frozenset((pair.a, pair.b)): pair.kappa for pair in pairs}
    names = " ".join(f"{name:>{width}}" for name in labels.raters)
    lines += ["", f"{'kappa':{width}} {names} {'ability':>{width}} {'labels':>{width}}"]
    for rater in able:
        others = [kappa.get(frozenset((name, rater.rater))) for name in labels.raters]
        cells = [f"{'-' if value is None else _number(value):>{width}}" for value in others]
        lines.append(
            f"{rater.rater:{width}} {' '.join(cells)} {_number(rater.ability):>{width}} "
            f"{rater.labels:>{width}}"
        )
    reasons = dict.fromkeys(rater.reason for rater in able if rater.reason)
    return "\n".join(lines + [f"note: no abilities: {reason}" for reason in reasons])


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"
