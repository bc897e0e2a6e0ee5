from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from likeness.cli.console import print_json, say

if TYPE_CHECKING:
    from likeness.benchmark.arena import Ranking


def arena(
    votes: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet table: left, right, winner (left, right, tie or both_bad), and "
            "where known rater and item."
        ),
    ],
    *,
    ties: Annotated[
        Literal["davidson", "rao-kupper", "half"],
        typer.Option(help="How ties are modelled; half counts one as half a win on each side."),
    ] = "davidson",
    position: Annotated[bool, typer.Option(help="Fit an advantage of being on the left.")] = True,
    resamples: Annotated[
        int, typer.Option(help="How often raters, items or votes are drawn again.", min=10)
    ] = 100,
    seed: Annotated[int, typer.Option(help="Of the resamples.", min=0)] = 0,
    format: Annotated[
        Literal["json", "table"], typer.Option("--format", help="How to print it.")
    ] = "table",
) -> None:
    """Rank systems by people's votes between two clips (Bradley and Terry)."""
    import numpy as np

    from likeness.annotation.duels import read_duels
    from likeness.annotation.ranking import Model
    from likeness.benchmark.arena import rank

    model = Model(ties=ties, position=position)
    ranking = rank(read_duels(votes), model, resamples, np.random.default_rng(seed))
    if format == "json":
        print_json(ranking.to_dict())
    else:
        say(_table(ranking))


def _table(ranking: "Ranking") -> str:
    width = max(6, *(len(row.system) for row in ranking.systems))
    lines = [f"{'system':{width}}     score  95 % interval          rank     votes"]
    for row in ranking.systems:
        ranks = f"{row.rank_low}-{row.rank_high}" if row.rank_low < row.rank_high else row.rank_low
        interval = f"[{row.low:.3f}, {row.high:.3f}]"
        lines.append(
            f"{row.system:{width}}  {row.score:8.3f}  {interval:20}  {ranks!s:>5}  {row.votes:8,}"
        )
    tie = ranking.tie
    lines.append("")
    lines.append(f"{ranking.votes:,} votes, {tie['ties']:,} ties ({tie['both_bad']:,} both bad)")
    if tie["parameter"] is not None:
        lines.append(f"ties ({tie['model']}): {tie['parameter']:.3f}{_ends(tie)}")
    if ranking.position:
        odds = ranking.position
        lines.append(
            f"being on the left multiplies the odds by {odds['left_odds']:.3f}{_ends(odds)}"
        )
    units = " and each ".join(ranking.clustered_by)
    lines.append(f"intervals: {ranking.resamples} resamples of each {units}")
    lines += [f"prior: {ranking.prior}"] if ranking.prior else []
    return "\n".join(lines + [f"note: {note}" for note in ranking.notes])


def _ends(told: dict) -> str:
    return f" [{told['low']:.3f}, {told['high']:.3f}]"
