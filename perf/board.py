"""Seconds of processor time from a table of scores to a board; asked for is 3 s for 1,000,000."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from likeness.benchmark.board import Board
from likeness.benchmark.grid import Grid
from likeness.benchmark.metrics import METRICS
from likeness.benchmark.sheets import read_measurements, write_measurements

SYSTEMS, COLUMNS, EACH = 10, 10, 5  # cases of each person
SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def scores_of(size: int, rng: np.random.Generator) -> pd.DataFrame:
    cases = size // (SYSTEMS * COLUMNS)
    system, metric, case = np.indices((SYSTEMS, COLUMNS, cases)).reshape(3, -1)
    metrics = list(METRICS)[:COLUMNS]
    value = rng.normal(0.7, 0.1, size) + system * 0.002
    share = np.array([METRICS[name].share for name in metrics])[metric]
    value = np.where(share, value > 0.7, value)
    lost = rng.random(size) < 0.01
    names = np.array([f"{number:016x}" for number in range(cases)])[case]
    return pd.DataFrame(
        {
            "system": np.array([f"system {n}" for n in range(SYSTEMS)])[system],
            "case": names,
            "identity": np.array([f"p{n // EACH}" for n in range(cases)])[case],
            "metric": np.array(metrics)[metric],
            "value": np.where(lost, np.nan, value),
            "reason": np.where(lost, "no face in any frame", None),
            "clip": names,
        }
    )


def main() -> None:
    print(f"{SYSTEMS} systems, {COLUMNS} metrics, tests between all pairs")
    print("    scores   reading   columns     board      all")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "measurements.parquet"
            write_measurements(scores_of(size, np.random.default_rng(0)), path)
            times = [time.process_time()]
            table = read_measurements(path)
            times.append(time.process_time())
            grid = Grid(table)
            times.append(time.process_time())
            rivals = [(name, "system 0") for name in grid.systems[1:]]
            Board.build(grid, rivals, {}).to_json()
            times.append(time.process_time())
            spent = "".join(f"{took:8.2f} s" for took in (*np.diff(times), times[-1] - times[0]))
            print(f"{size:10,}{spent}", flush=True)


if __name__ == "__main__":
    main()
