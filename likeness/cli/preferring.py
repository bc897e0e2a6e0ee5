"""Learning from votes what people prefer, and saying how well it is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    import pandas as pd

    from likeness.rewards.preference.trial import Trial
    from likeness.store.records import Score

VotesTable = Annotated[
    Path,
    typer.Argument(help="Table with columns left, right, winner.", metavar="VOTES"),
]
OutFolder = Annotated[Path, typer.Option("--out", help="New folder to save in.", file_okay=False)]
HeldOut = Annotated[
    float, typer.Option(help="Share of conditions not learned from.", min=0.0, max=0.9)
]


def fit_preference(
    votes: VotesTable,
    *,
    scores: Annotated[
        Path, typer.Option(help="Scores of the voted clips, as `likeness score --out` writes.")
    ],
    out: OutFolder,
    held_out: HeldOut = 0.2,
    tie_factor: Annotated[float, typer.Option(help="How readily people call a tie, > 1.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Parts conditions.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Learn from votes which clip people prefer, out of the clips' scores.

    VOTES may also have columns weight, dimension and condition. Prints how well votes on held-out
    conditions are called, with intervals over conditions.
    """
    import numpy as np

    from likeness.rewards.preference.features import Features
    from likeness.rewards.preference.fitting import FitSettings
    from likeness.rewards.preference.learned import learn
    from likeness.rewards.preference.trial import put_to_trial
    from likeness.rewards.preference.votes import COLUMNS, Votes, split
    from likeness.store.sheets import read_sheet

    cast = Votes.of_table(read_sheet(votes, columns=COLUMNS))
    features = Features.of_scores(_scores(read_sheet(scores, columns=SCORED)))
    train, held = split(cast, held_out, np.random.default_rng(seed))
    learned = learn(features, train, FitSettings(k=tie_factor, seed=seed))
    trials = put_to_trial(learned, features, held)
    learned.save(out)
    if as_json:
        print_json({"votes": learned.votes_hash, "held_out": [_told(t) for t in trials]})
        return
    for trial in trials:
        _print(trial)
    say(f"saved in {out}: preference.safetensors, preference.json")


SCORED = ("clip", "reward", "value", "version")


def _scores(table: "pd.DataFrame") -> "list[Score]":
    import math

    from likeness.store.records import Score

    weights = table["weights"] if "weights" in table.columns else [""] * len(table)
    rows = zip(*(table[name] for name in SCORED), weights, strict=True)
    return [
        Score(
            clip=str(clip),
            reward=str(reward),
            value=float(value),
            reason="no value in the table" if math.isnan(value) else None,
            version=str(version),
            weights=hashes if isinstance(hashes, str) else "",
        )
        for clip, reward, value, version, hashes in rows
    ]


def _told(trial: "Trial") -> dict[str, Any]:
    from dataclasses import asdict

    from likeness.benchmark.statistics import share_estimate

    share = share_estimate(trial.hits.tolist(), trial.conditions.tolist())
    return {
        "dimension": trial.dimension,
        "votes": len(trial.hits),
        "both_bad": trial.both_bad,
        "conditions": share.people,
        "accuracy": share.value,
        "low": share.low,
        "high": share.high,
        "commonest": trial.commonest,
        "loss": trial.loss,
        "chance_loss": trial.chance_loss,
        "calibration_error": trial.calibration_error,
        "reliability": [asdict(b) for b in trial.bins],
    }


def _print(trial: "Trial") -> None:
    told = _told(trial)
    say(
        f"{trial.dimension}: right on {100 * told['accuracy']:.1f} % "
        f"[{100 * told['low']:.1f}, {100 * told['high']:.1f}] of {told['votes']} votes, "
        f"ties counted, over {told['conditions']} held-out conditions "
        f"(the commonest answer: {100 * trial.commonest:.1f} %)"
    )
    say(
        f"  log loss {trial.loss:.3f} (knowing only how often: {trial.chance_loss:.3f}), "
        f"calibration error {trial.calibration_error:.3f}, {trial.both_bad} both bad left out"
    )
