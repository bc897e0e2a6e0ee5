"""Learning from votes what people prefer, and saying how well it is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likeness.cli.console import bars, print_json, say
from likeness.cli.options import AsJson

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from likeness.rewards.preference.trial import Trial
    from likeness.rewards.preference.vision.judge import VisionPreferenceReward
    from likeness.rewards.preference.vision.pairs import ClipPair
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

    from likeness.rewards.preference.ballots import COLUMNS, Ballots, split
    from likeness.rewards.preference.features import Features
    from likeness.rewards.preference.fitting import FitSettings
    from likeness.rewards.preference.learned import learn
    from likeness.rewards.preference.trial import put_to_trial
    from likeness.store.sheets import read_sheet

    cast = Ballots.of_table(read_sheet(votes, columns=COLUMNS))
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


def tune_preference(
    votes: VotesTable,
    settings: Annotated[
        list[str] | None, typer.Argument(help="Such as steps=100.", metavar="KEY=VALUE...")
    ] = None,
    *,
    out: OutFolder,
    recipe: Annotated[str, typer.Option(help="A recipe's name or TOML file.")] = "qwen2_vl_2b",
    held_out: HeldOut = 0.2,
    seed: Annotated[int, typer.Option(help="Parts conditions.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Tune a vision-language model to prefer the clips that people prefer.

    VOTES names clips by file, relative to the table; it may also have columns condition, prompt
    and margin. Ties and both_bad are left out. Prints how many held-out pairs it orders right.
    """
    from dataclasses import asdict

    import numpy as np

    from likeness.benchmark.statistics import share_estimate
    from likeness.rewards.preference.ballots import COLUMNS, parted
    from likeness.rewards.preference.vision.judge import VisionPreferenceReward
    from likeness.rewards.preference.vision.pairs import pairs_of
    from likeness.rewards.preference.vision.tuning import RECIPES, tune
    from likeness.store.sheets import read_sheet

    config = RECIPES.load(recipe, settings or [])
    found = pairs_of(read_sheet(votes, columns=COLUMNS), votes)
    conditions = np.array([pair.condition for pair in found.pairs])
    held = parted(conditions, held_out, np.random.default_rng(seed))
    train = tuple(p for p, out_of in zip(found.pairs, held, strict=True) if not out_of)
    kept = tuple(p for p, out_of in zip(found.pairs, held, strict=True) if out_of)
    with bars("tuning") as progress:
        tuned = tune(train, config, out, progress)
    hits = _ordered(VisionPreferenceReward.load(out), kept)
    share = share_estimate(hits.tolist(), conditions[held].tolist())
    if as_json:
        print_json({"losses": tuned.losses, "accuracy": asdict(share), "left_out": found.left_out})
        return
    for answer, count in sorted(found.left_out.items()):
        say(f"{count} votes for {answer} left out")
    say(f"loss {tuned.losses[0]:.3f} at first, {tuned.losses[-1]:.3f} at last")
    say(
        f"ordered {100 * share.value:.1f} % [{100 * share.low:.1f}, {100 * share.high:.1f}] of "
        f"{share.cases} held-out pairs right, over {share.people} conditions; saved in {out}"
    )


def _ordered(reward: "VisionPreferenceReward", pairs: Sequence["ClipPair"]) -> "np.ndarray":
    """Tell which pairs' chosen clip scores above the rejected one: 0 or 1 each."""
    import numpy as np

    from likeness.rewards.base import Subject
    from likeness.store.media import decode

    hits = []
    for pair in pairs:
        chosen, rejected = (
            reward.score([Subject(clip=decode(path, need_audio=False), prompt=pair.prompt)])[0]
            for path in (pair.chosen, pair.rejected)
        )
        hits.append(float(chosen.value > rejected.value))
    return np.array(hits)


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
