"""Times of the pages on a large workspace: 100,000 samples, a million scores, 1,000 runs.

The pages run as a visitor's do, without a browser; the clips have rows and no files. Each is
opened with empty caches (first), and once more by another visitor (again).
"""

import argparse
import logging
import os
import resource
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from likeness.benchmark.board import Board
from likeness.benchmark.measurements import Measurement
from likeness.benchmark.sheets import write_measurements
from likeness.store import tables
from likeness.store.records import Run
from likeness.store.runs import RunFolder
from likeness.store.workspace import Workspace

REWARDS = [f"reward_{number}" for number in range(10)]
AT_ONCE = 5_000  # rows a statement
SHOW = """
import streamlit as st
from likeness.dashboards import app
st.session_state["pages"] = {name: st.Page(lambda: None, title=name, url_path=name)
                             for _, name, _ in app.PAGES}
st.navigation(list(st.session_state["pages"].values()))
app.kept({name: show for _, name, show in app.PAGES}[st.query_params["place"]], "page")()
"""
VISITS = (
    ("Home", {"place": "home"}),
    ("Clips, by a reward", {"place": "clips"}),
    ("Clips, one person", {"place": "clips", "person": "person7"}),
    ("Clips, bounded", {"place": "clips", "reward": "reward_3", "low": "1.5"}),
    ("Distributions", {"place": "clips", "view": "Distributions"}),
    ("Pairs", {"place": "clips", "view": "Pairs"}),
    ("Leaderboard", {"place": "leaderboard"}),
    ("Runs, a list", {"place": "runs"}),
    ("Runs, one of 10,000 steps", {"place": "runs", "run": "run-0999"}),
)


def name_of(*parts: object) -> str:
    return sha256(repr(parts).encode()).hexdigest()


def fill(path: Path, samples: int, runs: int) -> None:
    rng = np.random.default_rng(0)
    with Workspace.create(path) as workspace:
        with workspace.transaction() as connection:
            rows(connection, samples, rng)
        for number in range(runs):
            make_run(workspace, f"run-{number:04}", 10_000 if number == runs - 1 else 20)
        make_board(path / "boards" / "large", rng)


def rows(connection: sa.Connection, samples: int, rng: np.random.Generator) -> None:
    conditions = samples // 4
    scene = name_of("scene")
    put(connection, tables.backgrounds, [{"id": scene, "width": 64, "height": 64, "created": "x"}])
    put(
        connection,
        tables.checkpoints,
        [
            {"id": f"checkpoint-{k}", "run": None, "step": k, "path": "", "hash": "0" * 64}
            | {"preset": "tiny", "forgotten": []}
            for k in range(20)
        ],
    )
    clip = {"origin": "generated", "suffix": ".mp4", "duration": 1.0, "fps": 25.0}
    clip |= {"width": 64, "height": 64, "created": "x"}
    for start in range(0, conditions, AT_ONCE // 4):
        some = range(start, min(start + AT_ONCE // 4, conditions))
        made = [(k, seed, name_of("clip", k, seed)) for k in some for seed in range(4)]
        who = {k: {"identity": f"person{k // 50}", "scene": f"scene{k}"} for k in some}
        given = [{**clip, **who[k], "id": name_of("true", k), "origin": "recorded"} for k in some]
        put(connection, tables.clips, given)
        put(connection, tables.clips, [{**clip, **who[k], "id": name} for k, _, name in made])
        put(
            connection,
            tables.conditions,
            [
                {"id": name_of("condition", k), "driving": name_of("true", k), "prompt": "p"}
                | {"references": [name_of("true", k)], "background": scene, "target": None}
                for k in some
            ],
        )
        put(
            connection,
            tables.samples,
            [
                {"id": name_of("sample", k, seed), "clip": name, "seed": seed, "sampler": {}}
                | {"condition": name_of("condition", k), "checkpoint": f"checkpoint-{seed * 5}"}
                | {"latents": None}
                for k, seed, name in made
            ],
        )
        values = rng.normal(size=(len(made), len(REWARDS)))
        scored = [
            {"clip": name, "reward": reward, "value": float(values[place, column])}
            | {"reason": None, "version": "1", "weights": "", "created": "x"}
            | {"condition": name_of("condition", k)}
            for place, (k, _, name) in enumerate(made)
            for column, reward in enumerate(REWARDS)
        ]
        for first in range(0, len(scored), AT_ONCE):
            put(connection, tables.scores, scored[first : first + AT_ONCE])
        told = {side: {REWARDS[0]: float(rng.normal())} for side in ("winner", "loser")}
        put(
            connection,
            tables.pairs,
            [
                {"id": name_of("pair", k), "condition": name_of("condition", k), "margin": 0.1}
                | {"winner": name_of("sample", k, 0), "loser": name_of("sample", k, 1)}
                | {"weight": 1.0, "source": "mined", "scores": told}
                for k in some
            ],
        )


def put(connection: sa.Connection, table: sa.Table, some: list[dict]) -> None:
    connection.execute(sa.insert(table), some)


def make_run(workspace: Workspace, name: str, steps: int) -> None:
    run = Run(
        id=name,
        kind="masked_dpo",
        recipe={"masked_dpo": {"beta": 500.0}},
        seeds=(0,),
        commit="",
        dataset_hash="",
        state="finished",
    )
    folder = RunFolder.create(workspace.path / "runs" / name, run)
    metrics = "".join(
        f'{{"step": {step}, "loss": {1 / step}, "accuracy": 0.5, "grad_norm": 1.0}}\n'
        for step in range(1, steps + 1)
    )
    folder.metrics.path.write_text(metrics)
    folder.mark("finished", step=steps)


def make_board(place: Path, rng: np.random.Generator) -> None:
    found = [
        Measurement(
            system=system,
            case=f"case{case}",
            identity=f"person{case // 4}",
            metric=metric,
            value=float(rng.normal(0.5, 0.1)),
            clip=name_of("clip", case, 0),
        )
        for system in ("base", "aligned", "true", "copy")
        for case in range(400)
        for metric in ("identity_target", "sync_c", "motion", "quality")
    ]
    place.mkdir(parents=True)
    write_measurements(found, place / "measurements.parquet")
    Board.build(found, [("aligned", "base")], {}).save(place / "board.json")


def visit(query: dict[str, str]) -> tuple[float, float]:
    """Open a page; returns seconds of the clock and of the processor."""
    from streamlit.testing.v1 import AppTest

    page = AppTest.from_string(SHOW, default_timeout=300)
    for name, value in query.items():
        page.query_params[name] = value
    start, busy = time.perf_counter(), time.process_time()
    page.run()
    taken = time.perf_counter() - start, time.process_time() - busy
    assert not page.exception and not page.error, (query, page.exception, page.error)
    return taken


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--samples", type=int, default=100_000)
    asked.add_argument("--runs", type=int, default=1_000)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workspace"
        start = time.perf_counter()
        fill(path, given.samples, given.runs)
        told = f"{given.samples:,} samples, {given.runs:,} runs"
        print(f"{told}: made in {time.perf_counter() - start:.0f} s")
        os.environ["LIKENESS_WORKSPACE"] = str(path)
        visit({"place": "home"})  # imports
        import streamlit as st

        logging.disable(logging.WARNING)  # of Streamlit, that there is no server
        print("seconds of the clock (and of the processor)")
        print(f"{'page':28} {'first':>15} {'again':>15}")
        for name, query in VISITS:
            st.cache_data.clear()
            first, again = (
                f"{wall:6.2f} ({cpu:5.2f})" for wall, cpu in (visit(query), visit(query))
            )
            print(f"{name:28} {first:>15} {again:>15}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"memory at most {peak:.0f} MiB")


if __name__ == "__main__":
    main()
