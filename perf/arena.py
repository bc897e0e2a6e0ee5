"""Seconds of processor time to rank systems from votes, beside evalica on the same votes.

Votes are counted anew in each try. Asked for is that a fit and 100 resamples of 1,000,000 votes
take a fifth of evalica's fit alone.
"""

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import evalica
import numpy as np
import pandas as pd

from likeness.annotation.duels import Duels, read_duels
from likeness.annotation.ranking import Model, fit
from likeness.benchmark.arena import rank

SYSTEMS, RATERS, ITEMS = 20, 1000, 2000
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
COMPARED = 1_000_000
RESAMPLES = 100


def votes_of(size: int, rng: np.random.Generator) -> Duels:
    strength = np.linspace(1, -1, SYSTEMS)
    left = rng.integers(SYSTEMS, size=size)
    right = (left + rng.integers(1, SYSTEMS, size=size)) % SYSTEMS
    lead = np.exp((strength[left] - strength[right] + 0.1) / 2)
    total = lead + 1 / lead + 0.5
    drawn = rng.random(size) * total
    outcome = np.where(drawn < lead, 0, np.where(drawn < lead + 1 / lead, 1, 2))
    names = tuple(f"system {number:02d}" for number in range(SYSTEMS))
    return Duels(systems=names, left=left, right=right, outcome=outcome)


def seconds(work, tries: int) -> float:
    spent = []
    for _ in range(tries):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return min(spent)


def theirs(votes: Duels) -> None:
    """Fit with evalica, from codes as from names, which it indexes itself."""
    winners = [[evalica.Winner.X, evalica.Winner.Y, evalica.Winner.Draw][o] for o in votes.outcome]
    index = pd.Index(range(SYSTEMS))
    left, right = votes.left.tolist(), votes.right.tolist()
    took = seconds(lambda: evalica.bradley_terry(left, right, winners, index=index), 2)
    print(f"evalica's Bradley-Terry from codes, {COMPARED:,} votes   {took:7.3f} s")
    names = [votes.systems[code] for code in left], [votes.systems[code] for code in right]
    took = seconds(lambda: evalica.bradley_terry(*names, winners), 2)
    print(f"evalica's Bradley-Terry from names, {COMPARED:,} votes   {took:7.3f} s")


def from_a_table(votes: Duels) -> None:
    """Rank from a Parquet table of names, as the command does."""
    names = np.array(votes.systems)
    table = pd.DataFrame(
        {
            "left": names[votes.left],
            "right": names[votes.right],
            "winner": np.array(["left", "right", "tie"])[votes.outcome],
            "rater": votes.raters,
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "votes.parquet"
        table.to_parquet(path)

        def ranked() -> None:
            rank(read_duels(path), Model(), RESAMPLES, np.random.default_rng(0))

        took = seconds(ranked, 2)
    print(f"a fit and {RESAMPLES} resamples of raters from a Parquet table      {took:7.3f} s")


def main() -> None:
    rng = np.random.default_rng(0)
    print(f"{SYSTEMS} systems; a fit and {RESAMPLES} resamples of ...")
    print("     votes   fit alone      votes     raters  raters and items")
    for size in SIZES:
        votes = votes_of(size, rng)
        by_rater = replace(votes, raters=rng.integers(RATERS, size=size))
        by_both = replace(by_rater, items=rng.integers(ITEMS, size=size))
        tries = 3 if size <= COMPARED else 1
        alone = seconds(lambda votes=votes: fit(replace(votes).counts()[None], Model()), tries)
        ranked = [
            seconds(
                lambda given=given: rank(
                    replace(given), Model(), RESAMPLES, np.random.default_rng(0)
                ),
                tries,
            )
            for given in (votes, by_rater, by_both)
        ]
        cells = "".join(f"{took:10.3f} s" for took in ranked)
        print(f"{size:10,}  {alone:8.3f} s {cells}", flush=True)
        if size == COMPARED:
            theirs(votes)
            from_a_table(by_rater)


if __name__ == "__main__":
    main()
